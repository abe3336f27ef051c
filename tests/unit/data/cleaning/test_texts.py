"""Steps run in their order, each with its switch, and are counted; texts that cannot be used are told."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.cleaning.text_repair import is_blank
from textmill.data.cleaning.texts import HOPELESS, STEPS, TextRules, clean_texts, find_text_reason

ALL = frozenset(STEPS)
USUAL = frozenset({"html_to_text", "repair_unicode", "remove_control", "collapse_whitespace"})
TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=40)), max_size=8)


def rules(steps=USUAL, low=1, high=100):
    return TextRules(frozenset(steps), low, high)


def test_steps_can_be_left_out_and_are_counted():
    texts = ["a  b", "schÃ¶n<br>x", None]
    # The second white space is what <br> leaves.
    cleaned, reasons, changed = clean_texts(texts, rules())
    assert cleaned == ["a b", "schön x", ""]
    assert reasons == [None, None, "empty_text"]
    assert +changed == {"collapse_whitespace": 1, "repair_unicode": 1, "html_to_text": 1}
    assert clean_texts(texts, rules(())) == (["a  b", "schÃ¶n<br>x", ""], [None, None, "empty_text"], {})


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ("html_to_text", "a<b>b</b>", "ab"),
        ("repair_unicode", "schÃ¶n", "schön"),
        ("remove_control", "a\u200bb", "ab"),
        ("mask_urls", "see www.x.org", "see <url>"),
        ("mask_emails", "to a@b.org", "to <email>"),
        ("mask_numbers", "in 1999", "in <number>"),
        ("lowercase", "GOOD", "good"),
        ("collapse_whitespace", " a \n b ", "a b"),
    ],
)
def test_each_switch_turns_on_its_own_step(step, text, expected):
    assert clean_texts([text], rules([step]))[0] == [expected]
    assert clean_texts([text], rules(ALL - {step}))[0] != [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it&acirc;&euro;&trade;s", "it's"),  # entities that hide mojibake
        ("a&#8203;b&#x202e;", "ab"),  # and invisible characters
        ("<a href='http://x.org/1'>www.x.org/1</a> 1", "<url> <number>"),  # addresses hold numbers
        ("a@x1.org", "<email>"),
        ("A&nbsp;&nbsp;B", "a b"),
    ],
)
def test_the_order_of_the_steps(text, expected):
    assert clean_texts([text], rules(ALL))[0] == [expected]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_text"),
        (" \u200b\ufeff ", "empty_text"),
        ("ab", "too_short"),
        ("abc", None),
        ("abcde", None),
        ("abcdef", "too_long"),
    ],
)
def test_reasons(text, reason):
    assert find_text_reason(text, rules(low=3, high=5)) == reason


def test_bounds_are_on_the_cleaned_text():
    cleaned, reasons, _ = clean_texts(["<b>a</b>", "<p>   </p>", "<i>abcdef</i>"], rules(low=2, high=5))
    assert reasons == ["too_short", "empty_text", "too_long"]
    assert cleaned == ["", "", ""]


def test_markup_may_take_up_most_of_a_text():
    text = "<p>" * 60 + "fine" + "</p>" * 60
    assert clean_texts([text], rules(high=100))[0] == ["fine"]
    assert clean_texts([text * 5], rules(high=100))[1] == ["too_long"]


def test_a_text_too_long_to_repair_costs_little():
    started = time.process_time()
    for text in ("schÃ¶n \x96 " * 150_000, "<p>schÃ¶n \x96 " * 120_000):
        assert clean_texts([text], rules(ALL, high=100_000))[1] == ["too_long"]
    assert time.process_time() - started < 1
    mended = "Ã¶" * 80 + " " * 500
    assert clean_texts([mended], rules(high=81))[0] == ["ö" * 80]


def test_a_hopeless_text_costs_no_time():
    """50 MB of what takes every step the longest."""
    text = "<p>schÃ¶n \x96 www.x.org " * 2_000_000
    started = time.process_time()
    assert clean_texts([text], rules(ALL, high=len(text) // HOPELESS - 1))[1:] == (["too_long"], {})
    assert time.process_time() - started < 0.5


@given(TEXTS, st.sets(st.sampled_from(sorted(STEPS))), st.integers(1, 5), st.integers(5, 30))
def test_every_text_is_either_within_the_bounds_or_told_why_not(texts, steps, low, high):
    cleaned, reasons, changed = clean_texts(texts, rules(steps, low, high))
    assert len(cleaned) == len(reasons) == len(texts)
    for before, text, reason in zip(texts, cleaned, reasons, strict=True):
        assert (text == "") == (reason is not None)
        if reason is None:
            assert low <= len(text) <= high
            assert not is_blank(text)
        if before is None:
            assert reason == "empty_text"
    assert set(changed) <= steps
    assert max(changed.values(), default=0) <= len(texts)
    assert clean_texts(texts[:1], rules(steps, low, high))[0] == cleaned[:1]  # whoever shares the batch
