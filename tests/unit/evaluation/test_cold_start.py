"""Real processes: what they report is theirs alone."""

from pathlib import Path

import numpy as np
import pytest

from tests.corpora import movie_reviews
from tests.tiny_bundle import tiny_bundle
from textmill.evaluation.cold_start import measure_cold_start

TEXTS = movie_reviews()["text"].tolist()[:5]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle", movie_reviews()[:300])


def test_time_and_memory_of_a_fresh_process(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    cold = measure_cold_start(Path(bundle.name), TEXTS, threads=1, num_processes=2)
    assert 20 < cold.startup_ms < 60_000
    assert 20 < cold.libraries_mb < cold.memory_mb < 500


def test_the_memory_of_the_parent_does_not_count(bundle: Path) -> None:
    """Linux's ru_maxrss of a child begins with its parent's."""
    before = measure_cold_start(bundle, TEXTS, threads=1, num_processes=1)
    ballast = np.ones(100_000_000)  # 800 MB
    after = measure_cold_start(bundle, TEXTS, threads=1, num_processes=1)
    assert ballast[-1] == 1
    assert abs(after.memory_mb - before.memory_mb) < 40


def test_a_larger_bundle_takes_more_memory(bundle: Path, tmp_path: Path) -> None:
    small = measure_cold_start(bundle, TEXTS, threads=1, num_processes=1)
    many = tiny_bundle(tmp_path / "bundle", _with_many_labels())
    large = measure_cold_start(many, TEXTS, threads=1, num_processes=1)
    added_mb = ((many / "model.onnx").stat().st_size - (bundle / "model.onnx").stat().st_size) / 1e6
    assert added_mb > 10
    assert large.memory_mb - small.memory_mb > 0.8 * added_mb


def test_a_process_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="is not a bundle"):
        measure_cold_start(tmp_path, TEXTS, threads=1, num_processes=1)


def _with_many_labels():
    documents = movie_reviews()[:2000]
    return documents.assign(label=[f"class{number % 600}" for number in range(len(documents))])
