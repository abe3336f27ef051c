"""What a token of a tokenizer stands on: the tokens that must stay with it, and those that always stay.

A tokenizer that has lost tokens reads a text like the old one if all tokens of the text, as the old one read it, are
left:
- WordLevel looks words up.
- WordPiece takes the longest token that fits, which is among those left and still the longest. Where a word has a
  character that the vocabulary lacks it is unknown to both, because tokens stay together with their characters.
- BPE merges the pair of the least rank. What it does within a token is what it does with the token alone, for no pair
  across its ends was ever the first: the merges that make the tokens left, with their ranks, are all that it used.
- Unigram takes the path of the best score. It is left, and no new one came. The score of what is unknown hangs on the
  worst score of all, so a token of that score stays too.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer

from textmill.compression.draft import DoesNotApply

_BYTE = re.compile("<0x[0-9A-F]{2}>")  # what a character that has no token is spelt with, where byte_fallback is on


class Pieces:
    """The tokens of a tokenizer and what each stands on.

    Attributes:
        ids: id of each token, added ones included.
        always: ids that stay whatever is read: added tokens, the unknown, the padding, those around a document, bytes.
        characters: ids of the tokens of a single character.
    """

    def __init__(self, tokenizer: Tokenizer, needed: Iterable[int] = ()):
        """
        Args:
            needed: ids that stay for another reason, such as the padding's.

        Raises: DoesNotApply: a word without a token would be an error.
        """
        written = json.loads(tokenizer.to_str())
        self._model = written["model"]
        self.ids: dict[str, int] = tokenizer.get_vocab()
        self._prefix = self._model.get("continuing_subword_prefix") or ""
        self._suffix = self._model.get("end_of_word_suffix") or ""
        self.unknown = self._find_unknown()
        if self._model["type"] == "WordLevel" and self.unknown is None:
            raise DoesNotApply(
                "compress.recipes: trim_vocabulary does not apply to this tokenizer of whole words: it has no token "
                "for the unknown, so that a word which is dropped could not be read at all. Train it with one."
            )
        around: list[int] = []  # a document
        renumber(written["post_processor"], lambda number: around.append(number) or number)  # type: ignore[func-returns-value]
        named = {*needed, *around, *(token["id"] for token in written["added_tokens"])}
        named |= set() if self.unknown is None else {self.unknown}
        named |= {number for token, number in self.ids.items() if self._is_byte(token)} | self._worst()
        self.always = named
        self.characters = {number for token, number in self.ids.items() if self._is_character(token)}
        self._steps = json.dumps([written["pre_tokenizer"], written["decoder"]])

    @property
    def spells_anything(self) -> bool:
        """Whether a character without a token of its own can be read: as unknown, or as bytes."""
        return bool(self._model.get("byte_fallback")) or (
            self.unknown is not None and '"ByteLevel"' not in self._steps  # its characters are the bytes
        )

    def needed(self, token: str) -> set[int]:
        """Ids that stay if a token does: its own, those of its characters, and for BPE those that it is merged of."""
        spelt = [self.ids[name] for name in self._spelling(token) if name in self.ids]
        merged = [self.ids[name] for pair in self.merges(token) for name in (*pair, self._joined(pair))]
        return {self.ids[token], *spelt, *merged}

    def merges(self, token: str) -> list[tuple[str, str]]:
        """The pairs that BPE merges, in order, when the token is what it reads; none if it never makes the token."""
        symbols = self._symbols(token) if self._ranks else []
        done = []
        while pairs := [pair for pair in pairwise(symbols) if pair in self._ranks]:
            best = min(pairs, key=self._ranks.__getitem__)
            place = next(i for i, pair in enumerate(pairwise(symbols)) if pair == best)
            symbols[place : place + 2] = [self._joined(best)]
            done.append(best)
        return done if symbols == [token] else []

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(first, second): rank for rank, (first, second) in enumerate(self._model.get("merges", []))}

    def _joined(self, pair: tuple[str, str]) -> str:
        return pair[0] + pair[1][len(self._prefix) :]

    def _content(self, token: str) -> str:
        """The token without the marks that say where in a word it stands."""
        return token.removeprefix(self._prefix).removesuffix(self._suffix) or token

    def _symbols(self, token: str) -> list[str]:
        """What BPE begins with."""
        characters = list(self._content(token))
        begins = not self._prefix or not token.startswith(self._prefix)
        symbols = [self._prefix * bool(i or not begins) + character for i, character in enumerate(characters)]
        if self._suffix and token.endswith(self._suffix):
            symbols[-1] += self._suffix
        return symbols

    def _spelling(self, token: str) -> Iterator[str]:
        """Its characters, as they may stand at the beginning, within and at the end of a word."""
        if self.ids[token] in self.always or self._model["type"] == "WordLevel":
            return
        for character in set(self._content(token)):
            for first in {"", self._prefix}:
                yield from (first + character + last for last in {"", self._suffix})

    def _find_unknown(self) -> int | None:
        if self._model["type"] == "Unigram":
            number: int | None = self._model["unk_id"]
            return number
        return self.ids.get(self._model.get("unk_token") or "")

    def _is_character(self, token: str) -> bool:
        return self._model["type"] != "WordLevel" and len(self._content(token)) == 1

    def _is_byte(self, token: str) -> bool:
        return bool(self._model.get("byte_fallback")) and _BYTE.fullmatch(token) is not None

    def _worst(self) -> set[int]:
        if self._model["type"] != "Unigram":
            return set()
        scores = [score for _, score in self._model["vocab"]]
        return {scores.index(min(scores))}


def renumber(processor: Any, number_of: Callable[[int], int]) -> None:
    """Replace, in place, each id in a post-processor of tokenizer.json by what `number_of` says of it."""
    if processor is None:
        return
    for part in processor.get("processors", []):  # Sequence
        renumber(part, number_of)
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [number_of(number) for number in token["ids"]]
    for end in ("sep", "cls"):  # BertProcessing, RobertaProcessing: token and id
        if end in processor:
            processor[end][1] = number_of(processor[end][1])
