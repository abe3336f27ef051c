"""Which documents may share a batch: those of like length, under a budget of tokens."""

from typing import NamedTuple

import numpy as np

from textmill.data.tokens import Integers, TokenArrays

LENGTH_TOLERANCE = 0.05  # of a bucket: 2% of padding on news and reviews; at 0.1, 3 and 5%
MIN_BATCHES = 2  # of a bucket, else rare lengths would meet in the same batch in every epoch


class Bucket(NamedTuple):
    """Documents of like length: a piece of the order by length, cut anew into so many batches in each epoch."""

    positions: Integers
    num_batches: int

    def cut(self, positions: Integers) -> list[Integers]:
        """The bucket's positions, in the order given, as `num_batches` parts of nearly the same size."""
        return np.array_split(positions, self.num_batches)


def plan_buckets(tokens: TokenArrays, indices: Integers, batch_size: int, batch_tokens: int | None) -> list[Bucket]:
    """Buckets of the documents at `indices`, the longest first, and how many batches each is good for.

    A batch of a bucket has at most `batch_size` documents and, padded, at most `batch_tokens` tokens, whichever of the
    bucket's documents are in it; a document that is longer alone is a batch of its own.
    """
    num_windows, longest = np.diff(tokens.windows), np.maximum.reduceat(tokens.window_lengths, tokens.windows[:-1])
    num_windows, longest = num_windows[indices], longest[indices]
    order = np.lexsort((-longest, -num_windows))
    num_windows, longest = num_windows[order], longest[order]
    buckets, start = [], 0
    while start < len(order):
        top = int(longest[start])
        size = batch_size
        if batch_tokens is not None:
            size = max(1, min(batch_size, batch_tokens // (int(num_windows[start]) * top)))
        last_alike = int(np.searchsorted(-num_windows, -num_windows[start], side="right"))
        shortest = int(np.ceil(top * (1 - LENGTH_TOLERANCE)))
        stop = start + int(np.searchsorted(-longest[start:last_alike], -shortest, side="right"))
        num_batches = max(MIN_BATCHES, -(-(stop - start) // size))
        # Filled up with shorter documents, so that no batch is small but the last one. Among documents of fewer
        # windows may be longer ones: these begin a bucket of their own.
        filled = min(start + num_batches * size, len(order))
        if int(longest[start:filled].max()) <= top:
            stop = filled
        buckets.append(Bucket(indices[order[start:stop]], -(-(stop - start) // size)))
        start = stop
    return buckets
