"""Labels that a person corrected take the place of those that were found."""

import pandas as pd
import pytest

from textmill.data.cleaning.corrected_labels import Corrections, UnfittingCorrection
from textmill.data.cleaning.labels import make_rules


def corrections(*rows, merge_into=None, allowed=None, task="single_label"):
    names = None if allowed is None else dict(zip(allowed, allowed, strict=True))
    table = pd.DataFrame(rows, columns=["id", "label", "corrected"])
    return Corrections(table, make_rules(task, names, "keep", ","), task, merge_into)


def test_corrections_replace_labels_and_are_told():
    table = corrections(("b", "neg", "pos"), ("c", "pos", "neg"))
    assert table.apply(["a", "b"], ["neg", "neg"]) == ["neg", "pos"]
    assert table.apply(["c", "d"], ["neg", "pos"]) == ["neg", "pos"]  # c is right in the source by now
    table.check()
    assert table.applied == [{"id": "b", "from": "neg", "to": "pos"}]


def test_without_corrections_labels_pass():
    table = corrections()
    assert table.apply(["a"], [None]) == [None]
    table.check()
    assert table.applied == []


@pytest.mark.parametrize(("label", "now"), [("other", "'other' now"), (None, "missing or not listed in clean.labels")])
def test_a_label_that_changed_since_the_review_is_told(label, now):
    with pytest.raises(UnfittingCorrection, match=rf"document b from 'neg' to 'pos', but its label is {now}"):
        corrections(("b", "neg", "pos")).apply(["b"], [label])


def test_a_corrected_label_that_is_none_is_told():
    for allowed in (None, {"pos", "neg"}):
        table = corrections(("b", "neg", "psoitive"), allowed=allowed)
        table.apply(["a", "b"], ["pos", "neg"])
        with pytest.raises(UnfittingCorrection, match=r"document b the label 'psoitive', .* labels: 'neg', 'pos'"):
            table.check()
    table = corrections(("b", "neg", "psoitive"), allowed={"psoitive"})
    table.apply(["a", "b"], ["pos", "neg"])
    table.check()


def test_corrections_of_documents_that_are_not_there_are_told():
    table = corrections(("b", "neg", "pos"), ("c", "neg", "pos"))
    table.apply(["a"], ["pos"])
    with pytest.raises(UnfittingCorrection, match=r"document b, which is not in the data \(nor are 1 more\)"):
        table.check()


def test_a_rare_label_was_reviewed_under_the_name_that_it_is_merged_into():
    rows = ("b", "other", "pos"), ("c", "pos", "other")
    table = corrections(*rows, merge_into="other", allowed={"pos", "rare"})
    assert table.apply(["a", "b", "c"], ["pos", "rare", "pos"]) == ["pos", "pos", "other"]
    table.check()
    assert table.applied == [{"id": "b", "from": "rare", "to": "pos"}, {"id": "c", "from": "pos", "to": "other"}]


def test_corrections_of_several_labels():
    table = corrections(
        ("a", "x|y", "y | x|z"), ("b", "", "x"), ("c", "other", "x"), task="multi_label", merge_into="other"
    )
    assert table.apply(["a", "b", "c", "d"], ["x|y", "", "rare|z", "z"]) == ["x|y|z", "x", "x", "z"]
    table.check()
    assert [each["to"] for each in table.applied] == ["x|y|z", "x", "x"]
    table = corrections(("a", "x", "x|typo"), task="multi_label")
    table.apply(["a"], ["x"])
    with pytest.raises(UnfittingCorrection, match=r"document a the label 'typo\|x', .*none of the labels: 'x'\."):
        table.check()


def test_corrections_of_numbers():
    table = corrections(("a", "3", "3.5"), ("b", "1.0", "1e1"), task="regression")
    assert table.apply(["a", "b", "c"], ["3.0", "1.0", "7.0"]) == ["3.5", "10.0", "7.0"]
    table.check()
    with pytest.raises(UnfittingCorrection, match=r"has 'three' for document a, .* a label is a finite number"):
        corrections(("a", "3", "three"), task="regression")
