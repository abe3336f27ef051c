"""Markup goes, plain text stays, and no text takes long."""

import html
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.cleaning.markup import html_to_text

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
        "an <!-- unfinished thought",
        "&notice; &madeup; &#xyz;",
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
        ("wo<!-- no -->rd", "word"),
        ("I <3 it<br/>5 < 6 &amp; 7 &gt; 6", "I <3 it 5 < 6 & 7 > 6"),
        ("&lt;3 &#163;5 &quot;x&quot; &#x41;", '<3 £5 "x" A'),
        ("&lt;b&gt;", "<b>"),  # a tag that was escaped is text
        ("before<script>var x = '<p>';</script><style>p {}</style> after<!-- no -->", "before after"),
        ("a<SCRIPT type='x'><!-- </script>b", "ab"),
        ("a<!-- <script> -->b", "ab"),
        ("<script>never closed", "never closed"),
        ('<a href="http://x.org/?a=1&b=2" class=big>link</a>', "link"),
        ('<a title="1 > 0">link</a>', "link"),
        ("<div hidden>x</div>", "x"),
        ("<ul><li>one<li>two</ul>", "one two"),
        ("<!DOCTYPE html><html><head><title>one</title></head><body>two</body></html>", "one two"),
        ("<table><tr><td>1</td><td>2</td></tr></table>", "1 2"),
    ],
)
def test_markup_goes(text, expected):
    assert " ".join(html_to_text(text).split()) == expected


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


PIECES = st.recursive(
    st.text("ab .,é", min_size=1, max_size=5),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag} class='x'>{''.join(parts)}</{tag}>",
        st.sampled_from(["b", "i", "em", "span", "p", "div", "h1", "ul", "blockquote", "a"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


class TextOnly(HTMLParser):
    def __init__(self, markup):
        super().__init__()
        self.pieces = []
        self.feed(markup)
        self.close()

    def handle_data(self, data):
        self.pieces.append(data)


@given(st.lists(PIECES, max_size=4).map("".join))
def test_well_formed_markup_gives_the_text_that_a_parser_finds(markup):
    assert "".join(html_to_text(markup).split()) == "".join("".join(TextOnly(markup).pieces).split())


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        "<!--",
        "<!doctype ",
        "<script>",
        "<a x='",
        '<a x="',
        "<a x=y ",
        "<div>x",
        "&",
        "&a",
        "&#",
        "</",
        "<p <p",
    ],
)
def test_hostile_markup_takes_linear_time(piece):
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    html_to_text(text)
    assert time.process_time() - started < 5
