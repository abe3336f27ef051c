"""Repair mends what is broken, as ftfy does, and leaves the rest alone."""
# ruff: noqa: RUF001

import re
import time
import unicodedata

import ftfy
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.corpora import long_movie_reviews
from textmill.data.cleaning.text_repair import collapse_whitespace, is_blank, remove_control, repair_unicode

CONFIG = ftfy.TextFixerConfig(
    unescape_html=False, remove_terminal_escapes=False, remove_control_chars=False, explain=False
)
ANY = st.text(st.characters(exclude_categories=["Cs"]))
# What mojibake, quotes, ligatures, full-width and combining characters are made of.
TELLING = st.text(
    st.one_of(
        st.characters(min_codepoint=0x80, max_codepoint=0x17F),
        st.sampled_from("abcdE  ?.\n\r\x1a"),
        st.sampled_from("\x85\x91\x92\x96\u2013\u2014\u2018\u2019\u201a\u201c\u2026\u20ac\u2122œŒÂÃâîïØÙ€™\xa0"),
        st.sampled_from("\u0301\u0308ﬁﬀǆＡ，　ｶﾞ가\u1100\u1161вЂГўВβ€Ѓё«»ё\ud83d\ude00\u2028"),
    ),
    max_size=30,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schÃ¶n", "schön"),
        ("itâ€™s", "it's"),
        ("e\u0301", "é"),
        ("boasting \x96 but", "boasting – but"),
        ("\u201cquoted\u201d", '"quoted"'),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("ｆｕｌｌ ﬁt", "full fit"),
        ("&amp;", "&amp;"),  # entities are html_to_text's
        ("a\x07b", "a\x07b"),  # and controls are remove_control's
    ],
)
def test_unicode_is_repaired(text, expected):
    assert repair_unicode(text) == expected


@settings(max_examples=300)
@example("voil\xc3 le travail \x96 fini")  # a control that stands alone, beside mojibake that lost its last byte
@example("\xc3 la carte\nna\xefve \x85")
@given(st.one_of(ANY, TELLING, st.lists(TELLING, max_size=4).map("\n".join)))
def test_the_result_is_that_of_ftfy(text):
    assert repair_unicode(text) == ftfy.fix_text(text, CONFIG)


@given(st.one_of(ANY, TELLING), st.sampled_from(["latin-1", "cp1252", "cp1251", "macroman", "cp437"]))
def test_the_result_is_that_of_ftfy_for_mojibake(text, encoding):
    broken = text.encode("utf-8", "replace").decode(encoding, "replace")
    assert repair_unicode(broken) == ftfy.fix_text(broken, CONFIG)


def test_every_character_fares_as_in_ftfy():
    for code in (*range(0x3400), *range(0xF900, 0x10000), *range(0x1F300, 0x1F400)):
        text = f"a{chr(code)} b"
        assert repair_unicode(text) == ftfy.fix_text(text, CONFIG), hex(code)


@pytest.mark.slow
def test_every_pair_of_characters_of_mojibake_fares_as_in_ftfy():
    """Guards the clues by which lines are told to be sound: a new ftfy may take more for mojibake."""
    member = re.compile(f"[{''.join(MOJIBAKE_CATEGORIES.values())}]")
    characters = [chr(code) for code in range(0x80, 0x10000) if member.match(chr(code))]
    assert len(characters) > 400
    for one in characters:
        for other in characters:
            text = f"a{one}{other} b"
            assert repair_unicode(text) == ftfy.fix_text(text, CONFIG), ascii(text)


def test_real_reviews_fare_as_in_ftfy():
    for text in long_movie_reviews():
        assert repair_unicode(text) == ftfy.fix_text(text, CONFIG)


@given(ANY)
def test_repaired_text_is_nfc(text):
    assert unicodedata.is_normalized("NFC", repair_unicode(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text\n\twith a tab", "plain text\n\twith a tab"),
        ("a\x00b\x07c\x7fd\x9fe", "abcde"),
        ("one\r\ntwo\rthree\x0bfour\x1cfive\x85six", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("\x1b[1;31mred\x1b[0m and \x1b]8;;http://x.org\x1b\\link\x1b]8;;\x07", "red and link"),
        ("in\u00advisi\u200bble\ufeff \u2060mark\u202es\u200e\u2066", "invisible marks"),
        ("smuggled\U000e0041\U000e0042", "smuggled"),
        ("v\u200di\u200ca", "via"),  # joiners between Latin letters join nothing
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian spelling
        ("می\u200c خواهم", "می خواهم"),
        ("क्\u200dष", "क्\u200dष"),  # half a letter in Devanagari
        ("👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"),
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
        ("e\u200b\u0301", "é"),  # what comes together is composed: NFC before, NFC after
    ],
)
def test_control_characters_go_and_spelling_stays(text, expected):
    assert remove_control(text) == expected


@given(ANY)
def test_nothing_but_line_breaks_tabs_and_joiners_is_left_of_controls(text):
    clean = remove_control(text)
    left = {char for char in clean if unicodedata.category(char) == "Cc"}
    assert left <= {"\n", "\t"}
    assert not set(clean) & set("\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\u00ad")
    assert remove_control(clean) == clean
    assert len(remove_control(text)) <= len(text)


@given(ANY)
def test_visible_text_is_untouched(text):
    visible = "".join(char for char in text if unicodedata.category(char)[0] != "C" and char not in "\u115f\u180e")
    assert remove_control(visible) == visible


@given(ANY)
def test_white_space_collapses(text):
    assert collapse_whitespace(text) == " ".join(text.split())


@given(st.text("ab \t\n"))
def test_plain_white_space_collapses(text):
    assert collapse_whitespace(text) == " ".join(text.split())


@pytest.mark.parametrize(
    "text", ["", " \n", " \u200b\ufeff ", "\u200d", "\x00\x1b", "\u3164", "\u2800\u2060", "\ufe0f"]
)
def test_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", [".", "a", "\u200bx", "日", "😀", "\u0301"])
def test_not_blank(text):
    assert not is_blank(text)


@pytest.mark.parametrize("piece", ["a\x96b", "Ã©", "\x1b]", "\x1b[", "é", "\u200d", "é\n", "'"])
def test_hostile_text_takes_linear_time(piece):
    text = piece * (300_000 // len(piece))
    started = time.process_time()
    remove_control(repair_unicode(text))
    assert time.process_time() - started < 5
