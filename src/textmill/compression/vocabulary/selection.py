"""Which tokens a vocabulary keeps."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from textmill.compression.vocabulary.pieces import Pieces
from textmill.data.tokens import Integers, TokenArrays
from textmill.errors import UserError

_AT_ONCE = 2**22  # token ids that are counted at a time


class TooFewTokens(UserError):
    """max_tokens is below the number of tokens that must stay."""


def count_tokens(tokens: TokenArrays, num_tokens: int) -> Integers:
    """How often each id occurs in a split: int64 [num_tokens]."""
    counts = np.zeros(num_tokens, np.int64)
    for first in range(0, len(tokens.ids), _AT_ONCE):
        counts += np.bincount(tokens.ids[first : first + _AT_ONCE], minlength=num_tokens)
    return counts


def select_tokens(
    pieces: Pieces, counts: Integers, *, min_count: int, max_tokens: int | None, drop_characters: bool
) -> NDArray[np.int64]:
    """The ids that stay, ascending: of the most frequent tokens as many as fit, with the tokens that each stands on.

    Args:
        counts: occurrences of each id.
        min_count: of a token that stays for its own sake.
        max_tokens: that stay in all; None sets no limit.
        drop_characters: a single character stays only if a token that stays has it, where the tokenizer can read a
            character that has no token.

    Raises: TooFewTokens.
    """
    kept = set(pieces.always)
    if not drop_characters or not pieces.spells_anything:
        kept |= pieces.characters
    if max_tokens is not None and max_tokens < len(kept):
        raise TooFewTokens(
            f"compress.recipes: trim_vocabulary is to keep at most {max_tokens:,} tokens, but {len(kept):,} must stay: "
            f"{len(pieces.always):,} special ones and bytes, the others single characters, which other words are "
            f"spelt with. Set max_tokens to {len(kept):,} or more{_advice(pieces, len(kept))}."
        )
    names = {number: token for token, number in pieces.ids.items()}
    for number in _most_frequent_first(counts, min_count):
        if number in names:
            new = pieces.needed(names[number]) - kept
            if max_tokens is None or len(kept) + len(new) <= max_tokens:
                kept |= new
    return np.array(sorted(kept))


def _most_frequent_first(counts: Integers, min_count: int) -> Iterable[int]:
    order = np.argsort(-counts, kind="stable")
    return map(int, order[counts[order] >= min_count])


def _advice(pieces: Pieces, num_kept: int) -> str:
    """What else would let fewer tokens stay."""
    fewest = len(pieces.always)
    helps = fewest < num_kept and pieces.spells_anything
    return f", or drop_characters to true, with {fewest:,} or more" if helps else ""
