"""Labels are trimmed, renamed and corrected, or told to be missing or unknown."""

import pandas as pd
import pytest

from textmill.data.cleaning.labels import (
    AmbiguousLabels,
    Corrections,
    LabelRules,
    UnfittingCorrection,
    find_label_reason,
)


@pytest.mark.parametrize(
    ("found", "names", "expected"),
    [
        (" 1 ", {"1": "positive"}, "positive"),
        ("pos", {"1": "positive", "pos": "positive"}, "positive"),
        ("2", {"1": "positive"}, None),
        ("TRUE", {"true": "positive"}, "positive"),
        ("true", {"True": "positive"}, "positive"),
        ("1.0", {"1": "positive"}, "positive"),
        ("1", {"1.0": "positive"}, "positive"),
        ("1.0", {"1": "positive", "1.0": "half"}, "half"),
        ("1", {"1.0": "half", "1": "positive"}, "positive"),
        ("1.00", {"1.0": "half", "1": "positive"}, "positive"),
        ("1.05", {"1": "positive"}, None),
        ("Pos", {"pos": "positive"}, None),
        (" sports\n", None, "sports"),
        ("\ufeffsports\u200b", None, "sports"),
        ("cafe\u0301", None, "café"),
        ("  ", None, None),
        (None, None, None),
        (None, {"None": "x"}, None),
    ],
)
def test_labels(found, names, expected):
    assert LabelRules(names, "keep").use(found) == expected


@pytest.mark.parametrize(
    ("found", "names", "expected"),
    [
        ("Spam", None, "spam"),
        ("SPAM", {"Spam": "Junk"}, "Junk"),  # a label to use is used as it is written
        ("spam", {"SPAM": "junk", "Ham": "fine"}, "junk"),
        ("eggs", {"SPAM": "junk"}, None),
        ("ÄRGER", {"ärger": "x"}, "x"),
    ],
)
def test_labels_in_lower_case(found, names, expected):
    assert LabelRules(names, "lower").use(found) == expected


def test_entries_that_lower_case_makes_one_must_agree():
    assert LabelRules({"Spam": "junk", "spam": "junk"}, "lower").use("SPAM") == "junk"
    assert LabelRules({"Spam": "a", "spam": "b"}, "keep").use("Spam") == "a"
    with pytest.raises(AmbiguousLabels, match=r"'Spam' and 'spam'.*label_case: keep"):
        LabelRules({"Spam": "a", "spam": "b"}, "lower")


@pytest.mark.parametrize(
    ("found", "label", "reason"),
    [
        (None, None, "missing_label"),
        (" \u200b", None, "missing_label"),
        ("x", None, "unknown_label"),
        ("a", "a", None),
    ],
)
def test_reasons(found, label, reason):
    assert find_label_reason(found, label) == reason


def corrections(*rows, merge_into=None):
    return Corrections(pd.DataFrame(rows, columns=["id", "label", "corrected"]), merge_into)


def test_corrections_replace_labels_and_are_told():
    table = corrections(("b", "neg", "pos"), ("c", "pos", "neg"))
    assert table.apply(["a", "b"], ["neg", "neg"]) == ["neg", "pos"]
    assert table.apply(["c", "d"], ["neg", "pos"]) == ["neg", "pos"]  # c is right in the source by now
    table.check(None)
    assert table.applied == [{"id": "b", "from": "neg", "to": "pos"}]


def test_without_corrections_labels_pass():
    table = corrections()
    assert table.apply(["a"], [None]) == [None]
    table.check(None)
    assert table.applied == []


@pytest.mark.parametrize(("label", "now"), [("other", "'other' now"), (None, "missing or not listed in clean.labels")])
def test_a_label_that_changed_since_the_review_is_told(label, now):
    with pytest.raises(UnfittingCorrection, match=rf"document b from 'neg' to 'pos', but its label is {now}"):
        corrections(("b", "neg", "pos")).apply(["b"], [label])


def test_a_corrected_label_that_is_none_is_told():
    table = corrections(("b", "neg", "psoitive"))
    table.apply(["a", "b"], ["pos", "neg"])
    for allowed in (None, {"pos", "neg"}):
        with pytest.raises(UnfittingCorrection, match=r"document b the label 'psoitive', .* labels: 'neg', 'pos'"):
            table.check(allowed)
    table.check({"psoitive"})


def test_corrections_of_documents_that_are_not_there_are_told():
    table = corrections(("b", "neg", "pos"), ("c", "neg", "pos"))
    table.apply(["a"], ["pos"])
    with pytest.raises(UnfittingCorrection, match=r"document b, which is not in the data \(nor are 1 more\)"):
        table.check(None)


def test_a_rare_label_was_reviewed_under_the_name_that_it_is_merged_into():
    table = corrections(("b", "other", "pos"), ("c", "pos", "other"), merge_into="other")
    assert table.apply(["a", "b", "c"], ["pos", "rare", "pos"]) == ["pos", "pos", "other"]
    table.check({"pos", "rare"})
    assert table.applied == [{"id": "b", "from": "rare", "to": "pos"}, {"id": "c", "from": "pos", "to": "other"}]
