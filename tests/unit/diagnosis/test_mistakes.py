import numpy as np
import pandas as pd
import pytest

from textmill.diagnosis.mistakes import confusion_pairs, probabilities, rank_mistakes, right_answers


def answers(label, predicted, *columns):
    table = pd.DataFrame({"id": [f"d{i}" for i in range(len(label))], "label": label, "predicted": predicted})
    return table.assign(**{f"p{i}": np.array(column, np.float32) for i, column in enumerate(columns)})


SINGLE = answers(
    ["a", "b", "b", "c", "a"], ["a", "a", "c", "a", "b"], [0.9, 0.7, 0.1, 0.8, 0.2], [0, 0.2, 0, 0.1, 0.7], [0.1] * 5
)


def test_the_surest_wrong_answer_comes_first():
    worst = rank_mistakes(SINGLE, ["a", "b", "c"], "single_label")
    assert worst["id"].tolist() == ["d3", "d1", "d4", "d2"]  # of two equal ones the first of the table
    assert worst["output"].tolist() == [0, 0, 1, 2]
    assert worst["sign"].tolist() == [1, 1, 1, 1]
    assert worst["badness"].tolist() == pytest.approx([0.8, 0.7, 0.7, 0.1])


def test_of_several_labels_the_surest_wrong_decision_counts():
    table = answers(["x|y", "x", "", "y"], ["x", "x|y", "x", "y"], [0.99, 0.98, 0.6, 0.1], [0.1, 0.7, 0.4, 0.9])
    worst = rank_mistakes(table, ["x", "y"], "multi_label")
    assert worst["id"].tolist() == ["d0", "d1", "d2"]
    assert worst["badness"].tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert worst[["output", "sign"]].to_numpy().tolist() == [[1, -1], [1, 1], [0, 1]]  # y missed, y wrong, x wrong


def test_the_number_furthest_off_comes_first():
    worst = rank_mistakes(answers(["1.0", "5", "2.5"], ["2.0", "2.0", "2.5"]), [], "regression")
    assert worst["id"].tolist() == ["d1", "d0"]
    assert worst["badness"].tolist() == [3.0, 1.0]
    assert worst["sign"].tolist() == [-1, 1]  # too low, too high


def test_pairs_are_counted_and_the_worst_documents_named():
    pairs = confusion_pairs(rank_mistakes(SINGLE, ["a", "b", "c"], "single_label"), "single_label")
    assert [(pair["actual"], pair["predicted"], pair["count"], pair["ids"]) for pair in pairs] == [
        ("a", "b", 1, ["d4"]),
        ("b", "a", 1, ["d1"]),
        ("b", "c", 1, ["d2"]),
        ("c", "a", 1, ["d3"]),
    ]
    several = answers(["x|y", "x", "x"], ["x", "x|y", ""], [0.9, 0.9, 0.1], [0.1, 0.9, 0.2])
    pairs = confusion_pairs(rank_mistakes(several, ["x", "y"], "multi_label"), "multi_label")
    assert {(pair["actual"], pair["predicted"]) for pair in pairs} == {
        ("y", "(none)"),
        ("(none)", "y"),
        ("x", "(none)"),
    }
    assert confusion_pairs(pd.DataFrame(), "regression") == []


def test_a_model_without_mistakes_has_none():
    perfect = answers(["a", "b"], ["a", "b"], [1.0, 0.0], [0.0, 1.0])
    for task in ("single_label", "multi_label"):
        worst = rank_mistakes(perfect, ["a", "b"], task)
        assert worst.empty
        assert confusion_pairs(worst, task) == []
    assert right_answers(perfect, "single_label").all()


def test_more_than_ten_labels_stay_in_order():
    table = answers(["a"], ["a"], *([i / 100] for i in range(12)))
    assert probabilities(table)[0].tolist() == pytest.approx([i / 100 for i in range(12)])
    assert probabilities(table[["id", "label", "predicted"]]).shape == (1, 0)
