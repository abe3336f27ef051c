"""Tokens that the user's documents do not use leave the vocabulary: embeddings, tokenizer and token arrays lose them.

Abdaoui, Pradel, Sigel: Load What You Need: Smaller Versions of Multilingual BERT, SustaiNLP 2020
(https://aclanthology.org/2020.sustainlp-1.16), for any tokenizer. What the old tokenizer reads as tokens that are left
is read as the same tokens, with the same logits; `vocabulary.pieces` says why. Anything else is spelt with smaller
pieces, or unknown.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.compression.draft import Draft
from textmill.compression.recovery import Recovery
from textmill.compression.vocabulary.pieces import Pieces
from textmill.compression.vocabulary.retokenizing import SPLITS, retokenize
from textmill.compression.vocabulary.selection import count_tokens, select_tokens
from textmill.compression.vocabulary.trimmed import trim_tokenizer
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import TokenArrays
from textmill.models.size import parameters_mb
from textmill.models.vocabulary import fixed_ids, keep_tokens
from textmill.training.dataset import TrainingData


def trim_vocabulary(
    model: Any, recovery: Recovery, *, min_count: int, max_tokens: int | None, drop_characters: bool
) -> Draft:
    """Keep the tokens that occur in the train split, special tokens and what else `select_tokens` keeps.

    Raises:
        TooFewTokens: max_tokens is below the number of tokens that must stay.
        DoesNotApply: a word without a token would be an error.
    """
    data = recovery.data
    assert data.folder is not None and recovery.splits is not None
    old = load_tokenizer(data.folder)
    counts = count_tokens(data.train, max(old.get_vocab().values()) + 1)
    kept = select_tokens(
        Pieces(old, [data.pad_id, *fixed_ids(model)]),
        counts,
        min_count=min_count,
        max_tokens=max_tokens,
        drop_characters=drop_characters,
    )
    new = trim_tokenizer(old, kept)
    before = parameters_mb(model)
    keep_tokens(model, kept.tolist(), old, new)
    folder = recovery.checkpoints / "tokens"
    pad_id = int(np.searchsorted(kept, data.pad_id))
    counted = retokenize(folder, data, recovery.splits, new, pad_id)
    read = {}
    for split in SPLITS:
        unknown = counted[split]["unknown"] / max(counted[split]["tokens"], 1)
        read[split] = {**_coverage(getattr(data, split), kept), "unknown_share": round(unknown, 6)}
    notes = {
        "tokens_before": old.get_vocab_size(),
        "tokens_after": len(kept),
        "mb_saved": round(before - parameters_mb(model), 3),
        **read,
    }
    return Draft(model, TrainingData.open(folder), notes)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model: every family has a vocabulary."""
    return None


def _coverage(tokens: TokenArrays, kept: NDArray[np.int64]) -> dict[str, float]:
    """The shares of tokens and of documents, as they were read before, that have lost a token."""
    num_lost = 0
    documents = 0
    for first in range(0, len(tokens), 2048):
        last = min(first + 2048, len(tokens))
        windows = tokens.offsets[tokens.windows[first : last + 1]]
        lost = ~np.isin(tokens.ids[windows[0] : windows[-1]], kept)
        num_lost += int(lost.sum())
        ends = np.concatenate([[0], np.cumsum(lost)])[windows - windows[0]]
        documents += int(np.count_nonzero(np.diff(ends)))
    return {
        "uncovered_tokens": round(num_lost / max(len(tokens.ids), 1), 6),
        "uncovered_documents": round(documents / max(len(tokens), 1), 6),
    }
