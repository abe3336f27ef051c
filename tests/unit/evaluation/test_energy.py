"""The counters of the processor, in a folder that is laid out as Linux lays out its own."""

import os
from pathlib import Path

import pytest

from tests.corpora import movie_reviews
from tests.tiny_bundle import tiny_bundle
from textmill.evaluation.energy import Energy, measure_energy
from textmill.runtime import Classifier

TEXTS = movie_reviews()["text"].tolist()[:40]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    return Classifier.load(tiny_bundle(folder, movie_reviews()[:300]), threads=1)


def zone(root: Path, number: str, name: str, microjoules: int, largest: int = 1_000_000) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir()
    for file, content in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", largest)):
        (folder / file).write_text(f"{content}\n")
    return folder / "energy_uj"


class Advancing:
    """A classifier that, as it answers, advances counters by so many microjoules a document."""

    def __init__(self, classifier: Classifier, steps: dict[Path, int], largest: int = 1_000_000) -> None:
        self.classifier, self.steps, self.largest = classifier, steps, largest
        self.task = classifier.task

    def predict_proba(self, texts, *others):
        for counter, step in self.steps.items():
            counter.write_text(str((int(counter.read_text()) + step * len(texts)) % self.largest))
        return self.classifier.predict_proba(texts, *others)


def test_packages_are_summed_and_their_parts_are_not(classifier: Classifier, tmp_path: Path) -> None:
    first, second = zone(tmp_path, "0", "package-0", 10), zone(tmp_path, "1", "package-1", 20)
    others = {zone(tmp_path, "0:0", "core", 5): 7000, zone(tmp_path, "2", "psys", 5): 9000}
    advancing = Advancing(classifier, {first: 1000, second: 500, **others})
    energy = measure_energy(advancing, TEXTS, tmp_path)  # type: ignore[arg-type]
    assert energy == Energy(pytest.approx(0.0015), None)


def test_a_counter_that_begins_anew(classifier: Classifier, tmp_path: Path) -> None:
    counter = zone(tmp_path, "0", "package-0", 990_000)
    energy = measure_energy(Advancing(classifier, {counter: 1000}), TEXTS, tmp_path)  # type: ignore[arg-type]
    assert energy.joules_per_document == pytest.approx(0.001)


def test_a_machine_without_counters(classifier: Classifier, tmp_path: Path) -> None:
    zone(tmp_path, "2", "psys", 5)
    found = measure_energy(classifier, TEXTS, tmp_path)
    assert found.joules_per_document is None
    assert "does not show the energy" in (found.note or "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_counters_that_only_root_may_read(classifier: Classifier, tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 10).chmod(0)
    assert "only root" in (measure_energy(classifier, TEXTS, tmp_path).note or "")
