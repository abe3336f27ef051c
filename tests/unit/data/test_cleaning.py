"""Repair mends what is broken and leaves the rest alone."""

import html
import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.cleaning import (
    clean_label,
    clean_rows,
    clean_texts,
    collapse_whitespace,
    find_row_reason,
    html_to_text,
    repair_unicode,
)

WORDS = st.lists(st.text("abcxyzéß日", min_size=1, max_size=8), min_size=1, max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "I <3 it",
        "5 < 6 and 7 > 3",
        "if a <b and c> d",
        "<grin> she said <john@example.org>",
        "vector<int> x",
        "AT&T, R&B and fish & chips; really",
        "a << b",
        "",
    ],
)
def test_plain_text_survives(text):
    assert html_to_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one<br />two", "one two"),
        ("one<BR>two", "one two"),
        ("<p>one</p><p>two</p>", "one two"),
        ("w<b>or</b>d", "word"),
        ("I <3 it<br/>5 < 6 &amp; 7 &gt; 6", "I <3 it 5 < 6 & 7 > 6"),
        ("&lt;3 &#163;5 &quot;x&quot;", '<3 £5 "x"'),
        ("before<script>var x = '<p>';</script><style>p {}</style> after<!-- no -->", "before after"),
        ('<a href="http://x.org/?a=1&b=2" class=big>link</a>', "link"),
        ("<div hidden>x</div>", "x"),
        ("<ul><li>one<li>two</ul>", "one two"),
    ],
)
def test_markup_goes(text, expected):
    assert collapse_whitespace(html_to_text(text)) == expected


@given(WORDS)
def test_words_between_tags_stay_apart(words):
    assert html_to_text("<br>".join(words)).split() == words
    assert html_to_text("".join(f"<p>{word}</p>" for word in words)).split() == words


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50))
def test_escaped_text_comes_back_without_markup(text):
    # Tags in escaped text are text: what html.escape made is undone, and nothing more.
    assert html_to_text(html.escape(text)) == text or "&" in text


@given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Cs"])))
def test_text_without_brackets_is_untouched(text):
    assert html_to_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schÃ¶n", "schön"),
        ("itâ€™s", "it's"),
        ("e\u0301", "é"),
        ("a\u0000b\u0007c", "abc"),
        ("boasting \x96 but", "boasting – but"),  # noqa: RUF001
        ("\u201cquoted\u201d", '"quoted"'),
        ("&amp;", "&amp;"),  # entities are html_to_text's
    ],
)
def test_unicode_is_repaired(text, expected):
    assert repair_unicode(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_repaired_text_is_nfc(text):
    assert unicodedata.is_normalized("NFC", repair_unicode(text))


def test_steps_can_be_left_out_and_are_counted():
    texts = ["a  b", "schÃ¶n<br>x", None]
    # The second white space is what <br> leaves: a space on either side.
    cleaned, changed = clean_texts(texts, unicode=True, markup=True, whitespace=True)
    assert cleaned == ["a b", "schön x", None]
    assert changed == {"whitespace": 2, "unicode": 1, "html": 1}
    assert clean_texts(texts, unicode=False, markup=False, whitespace=False)[0] == texts


def test_entities_that_hide_mojibake():
    assert clean_texts(["it&acirc;&euro;&trade;s"], unicode=True, markup=True, whitespace=True)[0] == ["it's"]


@pytest.mark.parametrize(
    ("found", "names", "expected"),
    [
        (" 1 ", {"1": "positive"}, "positive"),
        ("pos", {"1": "positive", "pos": "positive"}, "positive"),
        ("2", {"1": "positive"}, None),
        ("TRUE", {"true": "positive"}, "positive"),
        ("1.0", {"1": "positive"}, "positive"),
        ("1.0", {"1": "positive", "1.0": "half"}, "half"),
        ("1.05", {"1": "positive"}, None),
        (" sports\n", None, "sports"),
        ("  ", None, None),
        (None, None, None),
        (None, {"None": "x"}, None),
    ],
)
def test_labels(found, names, expected):
    assert clean_label(found, names) == expected


@pytest.mark.parametrize(
    ("text", "found", "label", "reason"),
    [
        (None, "a", "a", "empty_text"),
        ("", "a", "a", "empty_text"),
        (" \u200b\ufeff ", "a", "a", "empty_text"),
        ("ab", "a", "a", "too_short"),
        ("abcdef", "a", "a", "too_long"),
        ("abc", None, None, "missing_label"),
        ("abc", " ", None, "missing_label"),
        ("abc", "x", None, "unknown_label"),
        ("abc", "a", "a", None),
        ("abcde", "a", "a", None),
    ],
)
def test_reasons(text, found, label, reason):
    assert find_row_reason(text, found, label, min_characters=3, max_characters=5) == reason


def test_rows_keep_their_places_and_pandas_nulls_are_missing():
    raw = pd.DataFrame({"id": ["1", "2", "3"], "text": ["One  two", None, "one two"], "label": ["0", "0", None]})
    rows, _ = clean_rows(
        raw.assign(origin=["a", "b", "c"]).astype("str").where(raw.assign(origin="x").notna()),
        labels={"0": "no"},
        repair_unicode=True,
        html_to_text=True,
        collapse_whitespace=True,
        min_characters=1,
        max_characters=100,
    )
    assert list(rows["id"]) == ["1", "2", "3"]
    assert list(rows["reason"]) == [None, "empty_text", "missing_label"]
    assert rows["text"][0] == "One two"
    assert rows["cluster"][0] == rows["cluster"][2]
