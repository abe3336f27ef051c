"""What a model reads of a text: tokens, the words that they make up, and where these stand in the text.

Shapes: K words, T tokens of a window.
"""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from textmill.bundle import read_manifest
from textmill.long_documents import find_special, plan_windows

_APOSTROPHES = "'\u2019"
_NO_WORD = -1
_NEW, _SAME, _NEXT = range(3)  # the word that a token belongs to: a new one, the last one, the one that follows
# First letters of the names of characters whose scripts put no space between words: there, a token is a word.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


@dataclass(frozen=True)
class Reading:
    """The part of a text that a model reads.

    Attributes:
        spans: character offsets of each word, first to last; punctuation belongs to the word that it stands by.
        terms: the words in lower case, without punctuation around them.
        windows: token ids of each window [T], special tokens included: those of `Classifier.encode`.
        words: of each token the position of its word in `spans`, of special tokens -1.
    """

    spans: list[tuple[int, int]]
    terms: list[str]
    windows: list[NDArray[np.int64]]
    words: list[NDArray[np.int64]]

    def without(self, left_out_K: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
        """The windows without the tokens of some words.

        Tokens and not characters are left out, so that no others move up into a window that was full.
        """
        gone = np.append(left_out_K, False)  # -1, a special token, is never left out
        return [ids_T[~gone[words_T]] for ids_T, words_T in zip(self.windows, self.words, strict=True)]


class Reader:
    """Reads texts as the model of a bundle does."""

    def __init__(self, bundle: Path) -> None:
        """Raises: InvalidBundle."""
        manifest = read_manifest(bundle, verify=False)
        self.tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self._leading, self._trailing = find_special(self.tokenizer)
        num_special = len(self._leading) + len(self._trailing)
        self._plan = plan_windows(manifest["max_length"], num_special, manifest["long_documents"])

    def read(self, text: str) -> Reading:
        """The text is tokenized whole, some 100 bytes a token."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        spans, words = join_tokens(text, encoding)
        ids, words_T = np.array(encoding.ids, np.int64), np.array(words, np.int64)
        contents = [np.array(list(part), np.int64) for part in self._plan.contents(range(len(ids)))]
        read = np.unique(np.concatenate([words_T[content] for content in contents]))
        read = read[read != _NO_WORD]
        number = np.full(len(spans) + 1, _NO_WORD)  # the last is for what belongs to no word
        number[read] = np.arange(len(read))
        return Reading(
            [spans[word] for word in read.tolist()],
            [_term(text, *spans[word]) for word in read.tolist()],
            [np.concatenate([self._leading, ids[content], self._trailing]).astype(np.int64) for content in contents],
            [self._around(number[words_T[content]]) for content in contents],
        )

    def _around(self, words_T: NDArray[Any]) -> NDArray[np.int64]:
        around = (len(self._leading), len(self._trailing))
        return np.pad(words_T.astype(np.int64), around, constant_values=_NO_WORD)


def join_tokens(text: str, encoding: Encoding) -> tuple[list[tuple[int, int]], list[int]]:
    """The words of a text, and of each token the word that it is a part of, -1 if the text has no word.

    A word is a run of letters and digits, and an apostrophe between them: `don't` is one. Punctuation and spaces that
    are tokens belong to the word before; an opening quotation mark to the one behind.
    """
    spans: list[tuple[int, int]] = []
    words: list[int] = []
    end = 0  # of the last token
    waits_from: int | None = None  # where the tokens begin that belong to the next word
    for offsets in encoding.offsets:
        start, stop = _strip(text, *offsets)
        place = _place(text, start, stop, end)
        if place == _NEW:
            spans.append((start if waits_from is None else waits_from, stop))
            waits_from = None
        elif place == _NEXT or waits_from is not None or not spans:
            waits_from = start if waits_from is None else waits_from
        elif start < stop:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        words.append(len(spans) - (waits_from is None))
        end = max(end, stop)
    last = len(spans) - 1  # what waits for a word that does not come belongs to the last
    return spans, [min(word, last) for word in words]


def _place(text: str, start: int, stop: int, end: int) -> int:
    """Which word a token belongs to that reaches from `start` to `stop`, the one before it having ended at `end`."""
    if start == stop or start < end:  # white space, or another byte of the same character
        return _SAME
    apart = start == 0 or text[start - 1].isspace()
    if not any(map(_spells, text[start:stop])):
        return _NEXT if apart and _touches_word(text, stop) else _SAME
    if apart or unicodedata.name(text[start], "").startswith(_UNSPACED):
        return _NEW
    apostrophe = start if text[start] in _APOSTROPHES else start - 1
    if text[apostrophe] in _APOSTROPHES:
        return _SAME if apostrophe > 0 and text[apostrophe - 1].isalnum() else _NEW
    return _SAME if text[start].isalnum() and text[start - 1].isalnum() else _NEW


def _strip(text: str, start: int, stop: int) -> tuple[int, int]:
    """The range without the white space at both ends."""
    piece = text[start:stop]
    start += len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())


def _touches_word(text: str, place: int) -> bool:
    """Whether a word follows before white space does."""
    while place < len(text) and not text[place].isspace():
        if _spells(text[place]):
            return True
        place += 1
    return False


def _spells(character: str) -> bool:
    """Letters, digits and pictures make a word; punctuation does not."""
    return character.isalnum() or unicodedata.category(character) == "So"


def _term(text: str, start: int, stop: int) -> str:
    spelt = [place for place in range(start, stop) if _spells(text[place])]
    return text[spelt[0] : spelt[-1] + 1].lower() if spelt else text[start:stop]
