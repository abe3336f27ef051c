from pathlib import Path

import numpy as np
import pytest

from tests.corpora import movie_reviews
from tests.tiny_bundle import tiny_bundle
from textmill.evaluation.latency import hardware, predict_one_by_one, throughput, throughput_curve
from textmill.runtime import Classifier


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder: Path = tmp_path_factory.mktemp("bundle") / "bundle"
    return Classifier.load(tiny_bundle(folder, movie_reviews()[:300]), threads=1)


def test_every_document_is_sent_alone_and_timed(classifier):
    texts = movie_reviews()["text"].tolist()[300:350]
    done: list[int] = []
    probabilities_NC, milliseconds_N = predict_one_by_one(classifier, texts, progress=done.append)
    alone_NC = np.concatenate([classifier.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(probabilities_NC, alone_NC)
    assert milliseconds_N.shape == (50,)
    assert (milliseconds_N > 0).all()
    assert done == [1] * 50


def test_timing_is_in_milliseconds_and_documents_per_second(classifier, monkeypatch):
    """A clock that a stub advances by 2 ms for each document."""
    now = [0.0]

    def predict(texts, batch_size=32):
        now[0] += 0.002 * len(texts)
        return np.full((len(texts), 2), 0.5, dtype=np.float32)

    monkeypatch.setattr(classifier, "predict_proba", predict)
    monkeypatch.setattr("textmill.evaluation.latency.time.perf_counter", lambda: now[0])
    _, milliseconds_N = predict_one_by_one(classifier, ["a"] * 20)
    np.testing.assert_allclose(milliseconds_N, 2.0)
    assert throughput(classifier, ["a"] * 64, batch_size=32) == pytest.approx(500)
    rates = throughput_curve(classifier, ["a"] * 64, [1, 5, 64, 65])
    assert rates == [(size, pytest.approx(500)) for size in (1, 5, 64)]


def test_slow_models_are_timed_on_less(classifier, monkeypatch):
    """A document takes 0.3 s by a clock that a stub advances: batches and passes are left out, not cut."""
    now, sizes = [0.0], []

    def predict(texts, batch_size=32):
        now[0] += 0.3 * len(texts)
        sizes.append(len(texts))
        return np.full((len(texts), 2), 0.5, dtype=np.float32)

    monkeypatch.setattr(classifier, "predict_proba", predict)
    monkeypatch.setattr("textmill.evaluation.latency.time.perf_counter", lambda: now[0])
    assert throughput(classifier, ["a"] * 64, batch_size=32) == pytest.approx(1 / 0.3)
    assert sizes == [32, 64], "a warm-up and one pass"
    sizes.clear()
    assert throughput_curve(classifier, ["a"] * 64, [1, 16]) == [(size, pytest.approx(1 / 0.3)) for size in (1, 16)]
    assert sizes == [1] * 5 + [16] * 2


def test_the_hardware_is_named_and_the_machine_is_not():
    import platform

    found = hardware()
    assert set(found) == {"cpu", "instructions", "cores", "memory_gb", "os", "python", "onnxruntime"}
    assert found["cpu"]
    assert found["instructions"]
    assert found["cores"] >= 1
    assert found["memory_gb"] > 0.5
    assert platform.node() not in " ".join(map(str, found.values()))
