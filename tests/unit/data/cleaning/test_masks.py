"""Masks replace addresses and numbers, no more and no less."""
# ruff: noqa: RUF001

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.cleaning.masks import mask_emails, mask_numbers, mask_urls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see http://x.org/a?b=1&c=2#d now", "see <url> now"),
        ("HTTPS://X.ORG.", "<url>."),
        ("(at www.x.org/y, or ftp://z)", "(at <url>, or <url>)"),
        ("http://en.wikipedia.org/wiki/Dune_(film)", "<url>"),
        ("(see http://x.org/a).", "(see <url>)."),
        ("on IMDb.com... and shop.example.co.uk.com", "on <url>... and <url>"),
        ("foo.com.au/x", "<url>"),
        ('<a href="http://x.org">', '<a href="<url>">'),
        ("The end.The next. A.I. was e.g. good.com ok", "The end.The next. A.I. was e.g. <url> ok"),
        ("john@example.com", "john@example.com"),  # an e-mail address, no web address
        ("x.community http: //", "x.community http: //"),
        ("http://日本.jp/パス", "<url>"),
    ],
)
def test_urls(text, expected):
    assert mask_urls(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to john.doe+spam@mail.example.co.uk.", "write to <email>."),
        ("<a@b.de>", "<<email>>"),
        ("mailto:a_b@c-d.org?x", "mailto:<email>?x"),
        ("müller@bücher.example", "<email>"),
        ("@handle and a@b and 5@3.50", "@handle and a@b and 5@3.50"),
    ],
)
def test_emails(text, expected):
    assert mask_emails(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it cost 1,000.50 dollars in 1999.", "it cost <number> dollars in <number>."),
        ("$5, 5%, -3 and 10/10", "$<number>, <number>%, -<number> and <number>/<number>"),
        ("3rd B2B mp3 1990s x86", "3rd B2B mp3 1990s x86"),
        ("٣٫٥ and 12", "<number>٫<number> and <number>"),
    ],
)
def test_numbers(text, expected):
    assert mask_numbers(text) == expected


@pytest.mark.parametrize("mask", [mask_urls, mask_emails, mask_numbers])
@given(text=st.text(st.sampled_from("ab1.,:/@ <>()w-"), max_size=40))
def test_a_masked_text_is_not_masked_again(mask, text):
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize("mask", [mask_urls, mask_emails, mask_numbers])
@given(text=st.text(st.characters(categories=["L", "Zs", "Po"], exclude_characters=".@"), max_size=60))
def test_text_without_addresses_and_numbers_is_untouched(mask, text):
    assert mask(text) == text


@pytest.mark.parametrize("mask", [mask_urls, mask_emails, mask_numbers])
@pytest.mark.parametrize(
    "piece", ["a", "1", "1.", "a@", "a.", "www.", "http://", "a.com", ".", "-", "a-.", "http://x).(", "@a.", "1,a"]
)
def test_hostile_text_takes_linear_time(mask, piece):
    text = piece * (1_000_000 // len(piece)) + "!"
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < 5
