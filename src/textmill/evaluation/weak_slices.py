"""An automatic search for slices with more wrong answers than the rest: by one condition, or by two together.

After Chung, Kraska, Polyzotis, Tae and Whang, Slice Finder: Automated Data Slicing for Model Validation (2019): simple
conditions first, then pairs of the promising ones; a pair counts only if it is worse than each of its conditions alone.
Where Slice Finder spends its level as it goes (alpha-investing), the level is halved here: one half for all single
conditions, one for all pairs that could be formed, tested or not. So it does not matter that the wrong answers
themselves chose the pairs, and chance alone finds anything at most as often as the level says (Bonferroni; over so many
candidates the steps of Holm's method would change nothing).

Shapes: N documents, F conditions, P promising conditions, X pairs, W wholes
that a slice is part of.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.case import Case, Findings
from textmill.evaluation.conditions import Condition, find_conditions
from textmill.evaluation.groups import find_wrong

if TYPE_CHECKING:
    from scipy.sparse import csc_array

_PROMISING = 300  # conditions that are paired: those with the least p-values
_LIKENESS = 0.8  # a slice that shares more with a better one tells nothing new (Jaccard index)
_HALVES = 2

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class WeakSlice(NamedTuple):
    """Positions of one or two conditions, and what is wrong where they hold."""

    conditions: tuple[int, ...]
    num_documents: int
    num_errors: int
    p_value: float
    p_adjusted: float


def examine(case: Case) -> Findings | None:
    """Search among words, lengths, columns of data.slices and predicted labels; the true label is among the slices.

    Returns:
        metrics: none. details: rows (at most `most_weak`, the surest first), num_tested (candidates that were corrected
            for), correction, num_documents, num_errors.
    """
    most, minimum = case.settings.slices["most_weak"], case.settings.slices["min_documents"]
    if not most:
        return None
    conditions, wrong_N = find_conditions(case, minimum), find_wrong(case)
    found = search(conditions.holds_NF, wrong_N, level=1 - case.settings.confidence, min_documents=minimum, most=most)
    details = {
        "rows": [_record(weak, conditions.names, wrong_N) for weak in found],
        "num_tested": sum(num_candidates(len(conditions.names))),
        "correction": "Bonferroni",
        "num_documents": len(wrong_N),
        "num_errors": int(wrong_N.sum()),
    }
    return Findings({}, details)


def hide_words(details: dict[str, Any]) -> dict[str, Any]:
    """Details of `examine` without the words of documents, whose conditions have the value None."""
    rows = [
        {**row, "conditions": [{**of, "value": None} if of["feature"] == "word" else of for of in row["conditions"]]}
        for row in details["rows"]
    ]
    return {**details, "rows": rows}


def num_candidates(num_conditions: int) -> tuple[int, int]:
    """Single conditions, and pairs of them."""
    return num_conditions, num_conditions * (num_conditions - 1) // 2


def search(
    holds_NF: "csc_array", wrong_N: NDArray[np.bool_], *, level: float, min_documents: int, most: int
) -> list[WeakSlice]:
    """The slices with more wrong answers than chance explains at this level, the surest first.

    One-sided Fisher's exact test, all candidates at once. Of slices with a Jaccard index above 0.8 the surer is kept.
    """
    if not holds_NF.shape[1] or not 0 < wrong_N.sum() < len(wrong_N):
        return []
    singles, p_F = _search_singles(holds_NF, wrong_N, level)
    promising = np.argsort(p_F, kind="stable")[:_PROMISING]
    pairs = _search_pairs(holds_NF[:, promising], promising, wrong_N, level, min_documents, holds_NF.shape[1])
    kept: list[WeakSlice] = []
    members: list[NDArray[np.bool_]] = []
    for weak in sorted([*singles, *pairs], key=lambda weak: (weak.p_adjusted, weak.p_value, weak.conditions)):
        if len(kept) == most:
            break
        inside_N = (holds_NF[:, list(weak.conditions)].toarray() > 0).all(axis=1)
        if all((inside_N & other_N).sum() <= _LIKENESS * (inside_N | other_N).sum() for other_N in members):
            kept.append(weak)
            members.append(inside_N)
    return kept


def _search_singles(holds_NF: "csc_array", wrong_N: NDArray[np.bool_], level: float) -> tuple[list[WeakSlice], Floats]:
    """The conditions that are significant, and the p-values [F] of all."""
    sizes_F, errors_F = np.diff(holds_NF.indptr).astype(np.int64), holds_NF.T @ wrong_N.astype(np.int64)
    p_F = tail(errors_F, sizes_F, int(wrong_N.sum()), len(wrong_N))
    adjusted_F = np.minimum(1.0, _HALVES * len(p_F) * p_F)
    found = [
        WeakSlice((i,), int(sizes_F[i]), int(errors_F[i]), float(p_F[i]), float(adjusted_F[i]))
        for i in np.flatnonzero(adjusted_F <= level).tolist()
    ]
    return found, p_F


def _search_pairs(
    holds_NP: "csc_array",
    promising: Ints,
    wrong_N: NDArray[np.bool_],
    level: float,
    min_documents: int,
    num_conditions: int,
) -> list[WeakSlice]:
    """The pairs that are significantly worse than all other documents, and than the rest of either condition's."""
    wrong_NP = holds_NP.multiply(wrong_N[:, None].astype(np.int32)).tocsc()
    both_PP, errors_PP = (holds_NP.T @ holds_NP).toarray(), (wrong_NP.T @ wrong_NP).toarray()
    # What a pair is compared with: its two conditions, and last all documents.
    sizes_W = np.append(np.diagonal(both_PP), len(wrong_N))
    errors_W = np.append(np.diagonal(errors_PP), wrong_N.sum())
    first_X, second_X = np.triu_indices(len(promising), k=1)
    enough_X = both_PP[first_X, second_X] >= min_documents
    first_X, second_X = first_X[enough_X], second_X[enough_X]
    factor = _HALVES * max(1, num_candidates(num_conditions)[1])
    p_X = np.zeros(len(first_X))
    for is_whole in (False, False, True):  # most pairs fail against one of their conditions
        whole_X = np.full(len(first_X), len(promising)) if is_whole else first_X
        errors_X, sizes_X = errors_PP[first_X, second_X], both_PP[first_X, second_X]
        p_X = np.maximum(p_X, tail(errors_X, sizes_X, errors_W[whole_X], sizes_W[whole_X], limit=level / factor))
        kept = p_X * factor <= level
        first_X, second_X, p_X = second_X[kept], first_X[kept], p_X[kept]
    return [
        WeakSlice(
            tuple(sorted(promising[[first, second]].tolist())),
            int(both_PP[first, second]),
            int(errors_PP[first, second]),
            float(p_value),
            float(p_value * factor),
        )
        for first, second, p_value in zip(first_X, second_X, p_X, strict=True)
    ]


def tail(errors: Ints, sizes: Ints, all_errors: Ints | int, total: Ints | int, *, limit: float = 1.0) -> Floats:
    """P-values of so many errors or more in a slice of this size, if all errors fall anywhere alike (Fisher).

    1 where the slice has no larger share of errors than all documents, or where exactly so many errors are already
    more probable than `limit`, which is a hundred times quicker to know.
    """
    given = (np.asarray(values, dtype=np.int64) for values in (errors, sizes, all_errors, total))
    errors, sizes, all_errors, total = np.broadcast_arrays(*given)
    p_values = np.ones(errors.shape)
    chosen = np.flatnonzero(errors * total > all_errors * sizes)
    logarithms = stats.hypergeom.logpmf(errors[chosen], total[chosen], all_errors[chosen], sizes[chosen])
    chosen = chosen[logarithms <= np.log(limit)]
    p_values[chosen] = stats.hypergeom.sf(errors[chosen] - 1, total[chosen], all_errors[chosen], sizes[chosen])
    return p_values


def _record(weak: WeakSlice, names: list[Condition], wrong_N: NDArray[np.bool_]) -> dict[str, object]:
    """A row of the report."""
    return {
        "conditions": [names[i]._asdict() for i in weak.conditions],
        "num_documents": weak.num_documents,
        "num_errors": weak.num_errors,
        "error_rate": weak.num_errors / weak.num_documents,
        "rest_error_rate": (int(wrong_N.sum()) - weak.num_errors) / (len(wrong_N) - weak.num_documents),
        "p_value": weak.p_value,
        "p_adjusted": weak.p_adjusted,
    }
