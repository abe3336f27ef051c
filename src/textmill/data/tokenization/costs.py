"""What other values of max_length would cut off, and what they would cost, from whole texts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from textmill.long_documents import WindowPlan, plan_windows

CANDIDATES = (32, 64, 128, 256, 512)
# Of each split, the first by a hash of the id, whole: shares of it are right to about 1.4 points at worst (95 %).
SAMPLE_DOCUMENTS, SAMPLE_CHARACTERS = 5_000, 20_000_000
_SOME_TEXTS = 64  # tokenized at once: whole texts may be long
_BATCH = 32  # documents of a training step, of like length and padded to the longest


@dataclass(frozen=True)
class WholeTexts:
    """A sample of N documents that nothing is cut off from.

    Attributes:
        lengths: int64 [N], tokens of each document, special ones left out.
        num_special: special tokens around each document.
        num_words, num_characters: of all N; words are what white space separates.
    """

    lengths: npt.NDArray[np.int64]
    num_special: int
    num_words: int
    num_characters: int

    def describe(self) -> dict[str, float]:
        """Documents of the sample, whole_tokens_p50, _p95 and _max of a document, fertility and characters_per_token.

        Fertility is tokens per word; neither it nor characters_per_token counts special tokens.
        """
        num_tokens = int(self.lengths.sum())
        whole = self.lengths + self.num_special
        return {
            "sample_documents": len(self.lengths),
            "whole_tokens_p50": float(np.percentile(whole, 50)),
            "whole_tokens_p95": float(np.percentile(whole, 95)),
            "whole_tokens_max": int(whole.max()),
            "fertility": round(num_tokens / max(self.num_words, 1), 3),
            "characters_per_token": round(self.num_characters / max(num_tokens, 1), 3),
        }


def measure(tokenizer: Tokenizer, batches: Iterable[Sequence[str]]) -> WholeTexts:
    """Tokenize whole texts; `tokenizer` must not truncate."""
    num_special = tokenizer.num_special_tokens_to_add(False)
    lengths: list[int] = []
    words = characters = 0
    for batch in batches:
        for start in range(0, len(batch), _SOME_TEXTS):
            texts = batch[start : start + _SOME_TEXTS]
            lengths += [len(encoding) - num_special for encoding in tokenizer.encode_batch_fast(texts)]
            words += sum(len(text.split()) for text in texts)
            characters += sum(map(len, texts))
    return WholeTexts(np.array(lengths, np.int64), num_special, words, characters)


def read_shape(weights: Path) -> tuple[int, int] | None:
    """Hidden size and feed-forward size of an encoder, from its config.json; None if it does not say."""
    path = weights / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    hidden = config.get("hidden_size", config.get("dim"))
    feed_forward = config.get("intermediate_size", config.get("hidden_dim"))
    return (int(hidden), int(feed_forward)) if hidden and feed_forward else None


def max_length_costs(
    whole: WholeTexts,
    current: int,
    long_documents: Mapping[str, Any],
    positions: int | None,
    shape: tuple[int, int] | None,
) -> dict[str, Any]:
    """What tokens.json says of each candidate and of the `current` max_length.

    Args:
        long_documents: how documents of more than max_length tokens are read, as in params.yaml.
        positions: the most tokens that the weights can read; None is no limit.
        shape: hidden size D and feed-forward size F.

    Returns:
        `estimate`, how the cost is reckoned; `rows` with max_length, current (true of one), truncated_share of the
        documents (something of them is not read), kept_share of the tokens (special ones left out), and
        relative_cost of training on all documents once, where the current one is 1. Windows too short for their
        overlap are left out.
    """
    candidates = (length for length in CANDIDATES if positions is None or length <= positions)
    lengths = sorted({current, *(length for length in candidates if _has_room(length, whole, long_documents))})
    plans = {length: plan_windows(length, whole.num_special, long_documents) for length in lengths}
    now = _cost(_windows(whole, plans[current]), shape)
    rows = []
    for length, plan in plans.items():
        kept = np.minimum(whole.lengths, _most_tokens(plan))
        row = {
            "max_length": length,
            "current": length == current,
            "truncated_share": round(float((kept < whole.lengths).mean()), 6),
            "kept_share": round(float(kept.sum() / max(whole.lengths.sum(), 1)), 6),
            "relative_cost": round(_cost(_windows(whole, plan), shape) / now, 3),
        }
        rows.append(row)
    return {"num_documents": len(whole.lengths), "estimate": _say_estimate(shape), "rows": rows}


def _has_room(max_length: int, whole: WholeTexts, long_documents: Mapping[str, Any]) -> bool:
    overlap = long_documents["overlap"] if long_documents["strategy"] == "windows" else 0
    return bool(max_length - whole.num_special > overlap)


def _most_tokens(plan: WindowPlan) -> int:
    assert plan.most_tokens is not None
    return plan.most_tokens


def _windows(whole: WholeTexts, plan: WindowPlan) -> npt.NDArray[np.int64]:
    """Tokens of each window of all documents, special ones included."""
    assert plan.room is not None
    if plan.strategy != "windows":
        return np.minimum(whole.lengths, plan.room) + whole.num_special
    step = plan.room - plan.overlap
    read = np.minimum(whole.lengths, _most_tokens(plan))
    num_windows = 1 + np.maximum(-(-(read - plan.room) // step), 0)
    full = np.full(int((num_windows - 1).sum()), plan.room)
    return np.concatenate([full, read - (num_windows - 1) * step]) + whole.num_special


def say_costs(costs: dict[str, Any]) -> str:
    """The current max_length and its neighbours in a line, such as `at 128, 3 % at 1.8 times the cost`."""
    rows = costs["rows"]
    here = next(index for index, row in enumerate(rows) if row["current"])
    near = [row for index, row in enumerate(rows) if abs(index - here) == 1]
    said = [f"at {row['max_length']}, {_percent(row)} at {_times(row['relative_cost'])}" for row in near]
    return f"at {rows[here]['max_length']} tokens, {_percent(rows[here])} of whole texts are truncated; " + "; ".join(
        said
    )


def _percent(row: dict[str, Any]) -> str:
    share = 100 * row["truncated_share"]
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.2g} %"


def _times(cost: float) -> str:
    return "the same cost" if abs(cost - 1) < 0.005 else f"{round(cost, 2):g} times the cost"


def _cost(windows: npt.NDArray[np.int64], shape: tuple[int, int] | None) -> float:
    """Multiplications of one pass over all windows, of so many tokens each, up to a factor.

    In batches of B windows that are padded to T tokens, a layer multiplies for each token 4 D^2 numbers in the
    projections, 2 D F in the feed-forward block and 2 T D in the attention (Kaplan et al. 2020, Scaling Laws for
    Neural Language Models, table 1); embeddings and head are left out, and a step backwards costs twice one forwards.
    """
    lengths = np.sort(windows)
    starts = range(0, len(lengths), _BATCH)
    padded_K = np.array([lengths[start : start + _BATCH].max() for start in starts], np.float64)
    documents_K = np.array([len(lengths[start : start + _BATCH]) for start in starts], np.float64)
    if shape is None:
        return float(np.sum(documents_K * padded_K))
    hidden, feed_forward = shape
    per_token_K = 4 * hidden**2 + 2 * hidden * feed_forward + 2 * padded_K * hidden
    return float(np.sum(documents_K * padded_K * per_token_K))


def _say_estimate(shape: tuple[int, int] | None) -> str:
    batches = f"padded tokens in batches of {_BATCH} documents of like length"
    if shape is None:
        return f"{batches}; config.json gives no hidden size, so attention's quadratic part is left out"
    return f"{batches}, times the multiplications per token of a layer of width {shape[0]} and {shape[1]}"
