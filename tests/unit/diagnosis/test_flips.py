import pandas as pd
import pytest

from textmill.diagnosis.flips import find_flips, pairs_of, right_by_model


def answers(*predicted, ids=("d0", "d1", "d2")):
    label = {"d0": "x", "d1": "y", "d2": "x"}
    return pd.DataFrame({"id": ids, "label": [label[i] for i in ids], "predicted": predicted})


def test_documents_meet_by_id_and_not_by_place():
    right = right_by_model(
        {"full": answers("x", "y", "y"), "int8": answers("x", "x", "x", ids=("d2", "d1", "d0"))}, "single_label"
    )
    assert right.loc[["d0", "d1", "d2"]].to_numpy().tolist() == [[True, True], [True, False], [False, True]]
    assert find_flips(right, [("full", "int8")]) == [
        {"a": "full", "b": "int8", "num_broken": 1, "num_mended": 1, "broken": ["d1"], "mended": ["d2"]}
    ]


def test_models_tested_on_other_documents_are_not_compared():
    with pytest.raises(AssertionError, match="different documents"):
        right_by_model({"a": answers("x", "y", "x"), "b": answers("x", ids=("d0",))}, "single_label")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("small", [("full", "small"), ("baseline", "small"), ("full", "int8"), ("int8", "small")]),
        ("full", [("baseline", "full"), ("full", "int8"), ("int8", "small")]),
        ("baseline", [("full", "baseline"), ("full", "int8"), ("int8", "small")]),
    ],
)
def test_the_chosen_model_meets_the_full_one_and_the_baseline_and_variants_their_parents(chosen, expected):
    parents = {"full": "trained", "int8": "full", "small": "int8"}
    assert pairs_of(chosen, parents, [*parents, "baseline"], "baseline") == expected


def test_what_was_skipped_is_left_out():
    parents = {"full": "trained", "pruned": "full"}
    assert pairs_of("full", parents, ["full", "baseline"], "baseline") == [("baseline", "full")]
