"""Labels are trimmed, split and renamed, or told to be missing, unknown or no number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.cleaning.labels import (
    AmbiguousLabels,
    LabelRules,
    ManyLabelRules,
    NumberRules,
    UnusableName,
    make_rules,
)
from textmill.tasks import split_labels


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
    assert LabelRules({"a": "a"}, "keep").reason(found, label) == reason


def many(names=None, case="keep", separator=","):
    return make_rules("multi_label", names, case, separator)


@pytest.mark.parametrize(
    ("rules", "found", "expected"),
    [
        (many(), "sport, rec ,hockey", "hockey|rec|sport"),
        (many(), "sport,sport,,", "sport"),
        (many(), "", ""),  # no label is an answer
        (many(), None, ""),
        (many(), " , ", ""),
        (many(separator=";"), "a,b;c", "a,b|c"),
        (many(separator="|"), "b|a", "a|b"),
        (many(separator=" - "), "b - a-c", "a-c|b"),
        (many(case="lower"), "B,a,A", "a|b"),
        (many({"1": "pos", "2": "neg", "3": "neg"}), "3,2.0,1", "neg|pos"),
        (many({"1": "pos"}), "1,2", None),
        (many(), "a|b,c", None),
        (many({"a|b": "ab"}), "a|b", "ab"),
    ],
)
def test_several_labels(rules, found, expected):
    assert isinstance(rules, ManyLabelRules)
    assert rules.use(found) == expected


def test_reasons_of_several_labels():
    listed = many({"a": "x", "b": "y"})
    assert listed.reason("a", listed.use("a")) is None
    assert listed.reason(None, listed.use(None)) is None
    assert listed.reason("a,c,d", listed.use("a,c,d")) == "unknown_label"
    assert listed.unknown("a,c,d") == ["c", "d"]
    assert many().reason("a|b", None) == "bar_in_label"
    assert listed.allowed == {"x", "y"}
    assert listed.tidy(" y | x|") == "x|y"


def test_a_label_to_use_must_not_hold_the_bar():
    with pytest.raises(UnusableName, match=r"clean\.labels gives the label 'a\|b'.*no.* may hold '\|'"):
        many({"a": "a|b"})
    assert make_rules("single_label", {"a": "a|b"}, "keep", ",").use("a") == "a|b"


@given(st.lists(st.text("abc .", min_size=1, max_size=5), max_size=6))
def test_several_labels_come_back_each_once(labels):
    used = many().use(" ,".join(labels))
    assert set(split_labels(used)) == {label.strip() for label in labels} - {""}
    assert used == many(separator="|").use(used)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("3", "3.0"),
        (" -0.50\n", "-0.5"),
        ("1e-3", "0.001"),
        ("-0", "0.0"),
        ("0.1", "0.1"),
        ("1e999", None),
        ("nan", None),
        ("inf", None),
        ("1_000", None),
        ("3,5", None),
        ("five", None),
        ("5 %", None),
    ],
)
def test_numbers(found, expected):
    rules = make_rules("regression", None, "keep", ",")
    assert isinstance(rules, NumberRules)
    assert rules.use(found) == expected
    assert rules.reason(found, expected) == (None if expected else "not_a_number")
    assert rules.allowed is None


@pytest.mark.parametrize("found", [None, "", "  "])
def test_a_number_that_is_not_there(found):
    assert NumberRules().reason(found, NumberRules().use(found)) == "missing_label"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_kept_to_the_last_digit(number):
    used = NumberRules().use(repr(number))
    assert float(used) == number
    assert NumberRules().use(used) == used
