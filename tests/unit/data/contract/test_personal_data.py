"""E-mail addresses and telephone numbers are found, and what looks like them is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import bbc_news, movie_reviews
from textmill.data.contract.personal_data import UnknownRegion, check_region, has_email, has_phone


@pytest.mark.parametrize(
    "text",
    [
        "mail bob@example.com.",
        "<alice.b+list@sub.example.co.uk>",
        "Reply-To:x_1@a-b.org,",
        "first@second.info and more",
        "Ü bob@example.com",
    ],
)
def test_addresses_are_found(text):
    assert has_email(text)


@pytest.mark.parametrize(
    "text",
    ["no address", "x@y", "@handle hi", "<email>", "me@localhost", "a @ b.com", "3@5.5", "foo@bar.c", "@@@@.com"],
)
def test_what_is_no_address_is_not(text):
    assert not has_email(text)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("call (650) 253-0000 now", "US"),
        ("tel:650.253.0000", "US"),
        ("London +44 20 7946 0958", "US"),
        ("London +44 20 7946 0958", None),
        ("Tel. 030 901820, Berlin", "DE"),
        ("020 7946 0018", "GB"),
        (f"{'7 ' * 30}. +1 650-253-0000", "US"),
    ],
)
def test_numbers_are_found(text, region):
    assert has_phone(text, region)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("on 2004-05-06 12:30:59", "US"),
        ("650-253-0000", None),
        ("192.168.100.200", "US"),
        ("7-6 (7-5) 4-6 6-3 6-0", "US"),
        ("3.14159265358979", "US"),
        ("ISBN 978-3-16-148410-0", "US"),
        ("1234567", "US"),
        ("no digits", "US"),
    ],
)
def test_what_is_no_number_is_not(text, region):
    assert not has_phone(text, region)


def test_clean_news_and_reviews_have_next_to_none():
    texts = [*bbc_news()["text"], *movie_reviews()["text"][:2000]]
    assert sum(map(has_email, texts)) == 0
    assert sum(has_phone(text, "US") for text in texts) <= 3


@pytest.mark.parametrize("text", ["1" * 5000, "1-" * 2500, "a@" * 2500, "a." * 2500 + "@", "a@" + "a." * 2500])
def test_no_text_is_slow(text):
    start = time.process_time()
    has_email(text)
    has_phone(text, "US")
    assert time.process_time() - start < 2


@given(st.text(st.sampled_from("0123456789+-(). @a٣\uff0b\ud800\x00"), max_size=60))
def test_no_text_is_an_accident(text):
    assert has_email(text) in (True, False)
    assert has_phone(text, "US") in (True, False)
    assert not has_phone(text, None) or "+" in text


def test_a_region_that_is_none_is_told():
    for region in ("GB", "US", None):
        check_region(region)
    with pytest.raises(UnknownRegion, match=r"contract\.phone_region is UK.*GB"):
        check_region("UK")
