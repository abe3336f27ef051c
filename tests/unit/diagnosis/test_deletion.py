"""The deletion test against closed forms, and a method that names the wrong words."""

import numpy as np
import pytest
from scipy.special import expit

from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill.diagnosis.attribution import Attribution
from textmill.diagnosis.deletion import SHARES, area, compare_methods, deletion_curve, random_curve
from textmill.diagnosis.explanation import explain_documents, judge
from textmill.diagnosis.occlusion import Occlusion
from textmill.diagnosis.served import Decision, Served

INTERVALS = {"confidence": 0.95, "num_resamples": 500, "seed": 0}


class Liar:
    """Names the words that matter least as those that matter most."""

    name = "liar"

    def __init__(self, served):
        self._honest = Occlusion(served)

    def attribute(self, reading, decision):
        honest = self._honest.attribute(reading, decision)
        return Attribution(honest.group_K, -honest.weights_G)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return Served(tiny_bundle(tmp_path_factory.mktemp("deletion") / "bundle", movie_reviews()[:2000]))


def test_the_curve_is_that_of_the_words_left(served):
    reading = served.reader.read(" ".join(movie_reviews()["text"][3000].split()[:20]))
    decision = Decision(0, 1)
    found = Occlusion(served).attribute(reading, decision)
    order = found.order(1)
    whole = served.evidence([reading.windows])[0, 0]
    removed = [np.ceil(share * len(order)).astype(int) for share in SHARES]
    expected = [expit(whole - found.weights_G[order[:number]].sum()) for number in removed]
    np.testing.assert_allclose(deletion_curve(served, reading, decision, order), expected, atol=1e-4)
    assert removed[:2] == [0, 1]


def test_the_area_is_the_mean_height():
    assert area(np.ones(len(SHARES))) == pytest.approx(1.0)
    assert area(np.array(SHARES)) == pytest.approx(SHARES[-1] / 2)


def test_random_order_is_the_same_for_the_same_seed(served):
    reading = served.reader.read(movie_reviews()["text"][3001])
    curves = [random_curve(served, reading, Decision(0, 1), seed) for seed in (1, 1, 2)]
    assert curves[0].tolist() == curves[1].tolist() != curves[2].tolist()


def test_a_method_that_names_the_wrong_words_is_worse_than_chance(served):
    texts = movie_reviews()["text"][3000:3020].tolist()
    windows = [served.reader.read(text).windows for text in texts]
    decisions = [Decision(int(row.argmax()), 1) for row in served.evidence(windows)]
    methods = [Liar(served), Occlusion(served)]
    liar, occlusion = judge(methods, explain_documents(served, methods, texts, decisions, seed=0), **INTERVALS)
    assert occlusion["auc"] < occlusion["random"] < liar["auc"]
    assert (occlusion["beats_random"], liar["beats_random"]) == (True, False)
    assert liar["difference_high"] < 0 < occlusion["difference_low"]
    assert (occlusion["shown"], liar["shown"]) == (True, False)
    assert occlusion["curve"] == sorted(occlusion["curve"], reverse=True)


def test_intervals_are_of_the_mean_over_documents():
    generator = np.random.default_rng(0)
    curves_NP = np.repeat(generator.normal(0.5, 0.1, (400, 1)), len(SHARES), axis=1)
    random_NP = curves_NP + 0.2
    (row,) = compare_methods(["x"], curves_NP[None], random_NP, confidence=0.95, num_resamples=4000, seed=0)
    error = 1.96 * curves_NP[:, 0].std() / 20
    assert row["auc"] == pytest.approx(curves_NP.mean(), abs=1e-6)
    assert row["auc_low"] == pytest.approx(row["auc"] - error, abs=2e-3)
    assert row["auc_high"] == pytest.approx(row["auc"] + error, abs=2e-3)
    assert (row["difference_low"], row["difference_high"]) == (pytest.approx(0.2), pytest.approx(0.2))


@pytest.mark.parametrize(("task", "sign"), [("multi_label", -1), ("regression", 1), ("regression", -1)])
def test_deleting_what_speaks_for_a_decision_weakens_it(task, sign, tmp_path):
    """Of a label that is missed, the words that speak against it; of a number that is too low, those that lower it."""
    served = Served(tiny_bundle(tmp_path / "bundle", documents_of(task)[:1000], task=task))
    reading = served.reader.read(movie_reviews()["text"][3003])
    decision = Decision(0, sign)
    curve = deletion_curve(served, reading, decision, Occlusion(served).attribute(reading, decision).order(sign))
    assert curve[1] < curve[0]
