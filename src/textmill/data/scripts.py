"""The writing script of a text: Latin, Cyrillic, Han and so on, as the Unicode standard assigns them to characters."""

from functools import cache

import numpy as np
import numpy.typing as npt

NONE = "none"  # of a text without letters
JAPANESE = "Japanese"
SAMPLE_CHARACTERS = 2000
_NUM_CODE_POINTS = 0x110000
_SHARED = ("Common", "Inherited", "Unknown")  # digits, punctuation, emoji, accents: of no script of their own
_MIN_KANA = 0.05


def script_of(text: str) -> str:
    """Name of the commonest script among the first 2,000 characters, `none` where none of them belongs to a script.

    Japanese mixes Han with Hiragana and Katakana, so that the commonest of the three changes from text to text: with
    some kana among them, the three count as one, `Japanese` (Jpan in Unicode Technical Standard 39, section 5.1).
    Of two scripts that are equally common it is the one that comes first in the standard's order of code points.

    Source: Unicode Standard Annex 24, property Script, in the tables of fontTools.
    """
    names, table = _scripts()
    sample = text[:SAMPLE_CHARACTERS].encode("utf-32-le", "surrogatepass")
    counts = np.bincount(table[np.frombuffer(sample, "<u4")], minlength=len(names))
    counts[: len(_SHARED)] = 0
    _join_japanese(counts, names)
    commonest = int(counts.argmax())
    return names[commonest] if counts[commonest] else NONE


def _join_japanese(counts: npt.NDArray[np.int64], names: tuple[str, ...]) -> None:
    hiragana, katakana, han, japanese = map(names.index, ("Hiragana", "Katakana", "Han", JAPANESE))
    kana = counts[hiragana] + counts[katakana]
    if kana > _MIN_KANA * (kana + counts[han]):
        counts[japanese] = kana + counts[han]
        counts[[hiragana, katakana, han]] = 0


@cache
def _scripts() -> tuple[tuple[str, ...], npt.NDArray[np.uint8]]:
    """The names of all scripts, and the index of the script of each code point (1.1 MB)."""
    from fontTools.unicodedata import Scripts

    codes = dict.fromkeys(Scripts.VALUES)
    all_names = {code: Scripts.NAMES[code].replace("_", " ") for code in codes}
    names = (*_SHARED, *(name for name in all_names.values() if name not in _SHARED), JAPANESE)
    index = [names.index(all_names[code]) for code in Scripts.VALUES]
    ends = [*Scripts.RANGES[1:], _NUM_CODE_POINTS]
    return names, np.repeat(np.array(index, np.uint8), np.subtract(ends, Scripts.RANGES))
