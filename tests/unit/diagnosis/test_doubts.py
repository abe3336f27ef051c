"""Planted wrong test labels are doubted, of every task; labels that no document has are no obstacle."""

import numpy as np
import pandas as pd
import pytest

from textmill.diagnosis.doubts import doubted_documents

LABELS = ["a", "b", "c"]


def made_answers(num_documents=300, num_wrong=15, present=LABELS):
    """A good model's answers to documents of which the first `num_wrong` have another label than they should."""
    generator = np.random.default_rng(0)
    true = generator.choice([LABELS.index(label) for label in present], num_documents)
    probabilities_NC = generator.dirichlet(np.ones(3) * 0.3, num_documents) * 0.15
    probabilities_NC[np.arange(num_documents), true] += 0.85
    given = true.copy()
    others = [LABELS.index(label) for label in present]
    given[:num_wrong] = [others[(others.index(label) + 1) % len(others)] for label in true[:num_wrong]]
    names = np.array(LABELS)
    table = pd.DataFrame({"id": [f"d{i}" for i in range(num_documents)], "label": names[given]})
    table["predicted"] = names[true]
    return table.assign(**{f"p{i}": probabilities_NC[:, i].astype(np.float32) for i in range(3)})


@pytest.mark.parametrize("present", [LABELS, ["a", "c"]], ids=["all labels", "one label absent"])
def test_planted_labels_are_doubted(present):
    assert doubted_documents(made_answers(present=present), LABELS, "single_label") == {f"d{i}" for i in range(15)}


def test_the_order_of_the_models_labels_does_not_matter():
    table = made_answers()
    turned = table.rename(columns={"p0": "p2", "p2": "p0"})
    assert doubted_documents(turned, LABELS[::-1], "single_label") == {f"d{i}" for i in range(15)}


def test_planted_label_sets_are_doubted():
    table = made_answers()
    assert doubted_documents(table, LABELS, "multi_label") == {f"d{i}" for i in range(15)}


def test_planted_numbers_are_doubted():
    generator = np.random.default_rng(1)
    numbers_N = generator.normal(50, 10, 200)
    predicted_N = numbers_N + generator.normal(0, 1, 200)
    numbers_N[:4] += 40
    table = pd.DataFrame({"id": [f"d{i}" for i in range(200)]})
    table["label"], table["predicted"] = [repr(x) for x in numbers_N.tolist()], [repr(x) for x in predicted_N.tolist()]
    doubted = doubted_documents(table, [], "regression")
    assert {f"d{i}" for i in range(4)} <= doubted
    assert len(doubted) < 10


def test_where_all_documents_have_one_label_nothing_is_doubted():
    table = made_answers(present=["a"], num_wrong=0)
    assert doubted_documents(table, LABELS, "single_label") == set()
