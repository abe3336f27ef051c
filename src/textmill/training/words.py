"""Words in token ids, found by how the tokenizer writes its tokens: no text is needed.

Shape suffixes: V tokens of the vocabulary, T tokens of a window, `...` any dimensions before it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from textmill.models.vocabulary import find_convention

# Kinds of characters: what words are spelt with (half a character too); punctuation; a space, such as a lone `Ġ`, which
# belongs to what follows it.
_LETTERS, _OTHERS, _SPACE = 0, 1, 2


@dataclass(frozen=True)
class Vocabulary:
    """What each token of a tokenizer says of the word that it is a part of.

    Attributes:
        special_V: bool, special tokens, such as [CLS] and [UNK]; each stands for itself.
        begins_V: bool, tokens that begin a word wherever they stand: `word` of WordPiece, `Ġword`, `▁word`.
        first_V, last_V: int8, kind of the token's first and last character. In byte-level BPE and Unigram a word also
            ends where letters meet punctuation, as in `▁word` `,`; WordPiece's tokens say it all, and are of one kind.
    """

    special_V: npt.NDArray[np.bool_]
    begins_V: npt.NDArray[np.bool_]
    first_V: npt.NDArray[np.int8]
    last_V: npt.NDArray[np.int8]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Vocabulary":
        size = tokenizer.get_vocab_size()
        special, begins = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        first, last = np.zeros(size, np.int8), np.zeros(size, np.int8)
        kind, read = find_convention(tokenizer)
        for name, number in tokenizer.get_vocab().items():
            token = read(name)
            begins[number] = token.begins_word
            if kind in ("Ġ", "▁"):
                first[number], last[number] = _kind(token.content[:1]), _kind(token.content[-1:])
        for number, added in tokenizer.get_added_tokens_decoder().items():
            special[number] = added.special
        begins |= special
        return cls(special, begins, first, last)

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary":
        """Of the tokenizer.json in a folder."""
        return cls.of(Tokenizer.from_file(str(folder / "tokenizer.json")))

    def __len__(self) -> int:
        return len(self.special_V)

    def starts(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether a token is the first of a word: bool [..., T]. What follows a special token is."""
        return find_starts(ids, self.special_V, self.begins_V, self.first_V, self.last_V)


def find_starts(ids: Any, special_V: Any, begins_V: Any, first_V: Any, last_V: Any) -> Any:
    """`Vocabulary.starts` for arrays and tensors alike: bool [..., T]."""
    starts = begins_V[ids]
    before, kind_before = ids[..., :-1], last_V[ids[..., :-1]]
    starts[..., 1:] |= ((first_V[ids[..., 1:]] != kind_before) & (kind_before != _SPACE)) | special_V[before]
    starts[..., :1] = True
    return starts


def _kind(character: bytes) -> int:
    """Of one byte of UTF-8, or of none; those beyond ASCII count as letters."""
    if not character.strip():
        return _SPACE
    return _LETTERS if character.isalnum() or character[0] >= 128 else _OTHERS
