"""The script of a text is the one its letters are in."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.data.scripts import script_of


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Smart, funny and moving", "Latin"),
        ("Größe & Ærø", "Latin"),
        ("Быстрая лиса", "Cyrillic"),
        ("η γρήγορη αλεπού", "Greek"),
        ("快速的棕色狐狸", "Han"),
        ("素早い茶色の狐", "Japanese"),
        ("新幹線が東京駅に到着", "Japanese"),
        ("빠른 갈색 여우", "Hangul"),
        ("الثعلب البني السريع", "Arabic"),
        ("तेज़ भूरी लोमड़ी", "Devanagari"),
        ("สุนัขจิ้งจอก", "Thai"),
        ("", "none"),
        ("12:30, 50 % !!! 😀", "none"),
        ("\ud83d", "none"),
        ("iPhone 15 в подарок", "Cyrillic"),  # 6 letters against 9
        ("x" * 3000 + "ж" * 9000, "Latin"),  # the first characters decide
    ],
)
def test_the_commonest_script(text: str, script: str) -> None:
    assert script_of(text) == script


@given(st.text())
def test_any_text_has_a_script_or_none(text: str) -> None:
    found = script_of(text)
    has_letters = any(unicodedata.category(character) in ("Lu", "Ll") for character in text)
    assert isinstance(found, str)
    if found == "none":  # some cased letters, such as those of mathematics, are of no script
        assert not has_letters or not any("LATIN" in unicodedata.name(c, "") for c in text)


@pytest.mark.parametrize(("first", "script"), [("LATIN", "Latin"), ("CYRILLIC", "Cyrillic"), ("HEBREW", "Hebrew")])
def test_every_letter_is_in_the_script_that_its_name_says(first: str, script: str) -> None:
    letters = [chr(c) for c in range(0x3000) if unicodedata.name(chr(c), "").startswith(f"{first} SMALL LETTER")]
    letters = letters or [chr(c) for c in range(0x3000) if unicodedata.name(chr(c), "").startswith(f"{first} LETTER")]
    assert len(letters) > 20
    assert {script_of(letter) for letter in letters} == {script}
