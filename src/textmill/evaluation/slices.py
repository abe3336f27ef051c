"""Quality in slices of the split: the values of columns, labels, and lengths of text, each against the rest.

Whether a slice is worse than the rest is tested on wrong answers (`groups.find_wrong`) by Fisher's exact test, and on
absolute errors of numbers by the Mann-Whitney test; the p-values of all slices are corrected together (Holm, A Simple
Sequentially Rejective Multiple Test Procedure, 1979).

Shapes: N documents, V slices of a column, C labels, R resamples, S sums.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from textmill.evaluation.case import Case, Findings
from textmill.evaluation.confusion import Tally, macro_scores
from textmill.evaluation.groups import (
    Cells,
    Grouping,
    cells_of,
    classes_of,
    cut,
    find_wrong,
    group_by_column,
    group_by_length,
    resample_groups,
    slice_columns,
)
from textmill.evaluation.regression import value_scores
from textmill.evaluation.resampling import percentile_intervals, widen
from textmill.evaluation.significance import adjust_holm
from textmill.tasks import PRIMARY, PRIMARY_NAMES

# Macro-F1 takes a class with one document as serious as any, and a class that the slice has not, but the model
# predicted, as one with F1 0: with fewer documents of a class, slice and rest are compared by their right answers.
_CLASS_DOCUMENTS = 5
_MOST_VALUES = 50  # of a column; the largest


class Comparison(NamedTuple):
    """A figure of the slice, of the rest, and slice minus rest, with intervals."""

    score: float
    score_low: float
    score_high: float
    rest: float
    difference: float
    difference_low: float
    difference_high: float


class Row(NamedTuple):
    """A slice; `p_value` is two-sided, `is_worse` says of which side."""

    column: str
    value: str
    figure: str
    num_documents: int
    comparison: Comparison
    p_value: float
    is_worse: bool


def examine(case: Case) -> Findings:
    """Judge every slice that has `min_documents` documents and leaves as many outside.

    Returns:
        metrics: num_weak_slices. details: figure, rows, too_small (slices that were not judged: too few documents, or
            beyond the 50 largest of a column), num_tested, correction. The `figure` of a column's rows is that of the
            task where each slice and its rest have five documents of every class, else the share of right answers; of
            a label its recall. R² is of the spread of the whole split, so that the slices' mean is the split's own,
            and a slice of equal numbers has one.
    """
    minimum = case.settings.slices["min_documents"]
    cells, wrong_N = cells_of(case), find_wrong(case)
    rows: list[Row] = []
    too_small = 0
    for number, grouping in enumerate(_groupings(case)):
        judged, left_out = grouping.judged(minimum, _MOST_VALUES)
        rows += _judge(case, cells, wrong_N, judged, case.settings.seed + number)
        too_small += left_out
    if case.classifier.task == "multi_label":
        judged_labels, left_out = _judge_label_sets(case, cells, minimum)
        rows += judged_labels
        too_small += left_out
    records = _correct(rows, case.settings.confidence)
    details = {
        "figure": PRIMARY_NAMES[PRIMARY[case.classifier.task]],
        "rows": records,
        "too_small": too_small,
        "num_tested": len(rows),
        "correction": "Holm",
    }
    return Findings({"num_weak_slices": float(sum(record["weak"] for record in records))}, details)


def _groupings(case: Case) -> Iterator[Grouping]:
    num_bins = case.settings.slices["length_bins"]
    for column in slice_columns(case.documents):
        yield group_by_column(case.documents, column, num_bins)
    if case.classifier.task == "single_label":
        yield Grouping("label", case.classifier.labels, case.truth.astype(np.int64))
    elif case.classifier.task == "regression":
        # The highest and lowest are mostly weak: whoever is unsure guesses towards the middle.
        yield Grouping("label", *cut(case.truth.astype(np.float64), num_bins))
    yield group_by_length(case.documents, num_bins)


def _judge(case: Case, cells: Cells, wrong_N: NDArray[np.bool_], grouping: Grouping, seed: int) -> list[Row]:
    """The rows of a column's groups, which do not overlap."""
    insides = [grouping.codes_N == code for code in range(len(grouping.values))]
    # One figure for all values of a column, which are read side by side.
    fits = all(
        _fits_primary(case, grouping.column, cells.sums(inside_N), cells.sums(~inside_N)) for inside_N in insides
    )
    sums: dict[int, NDArray[np.float64]] = {}
    if fits:
        sums = dict(resample_groups(grouping, cells, num_resamples=case.settings.num_resamples, seed=seed))
    total_RS = sum(sums.values(), start=np.zeros(()))
    rows = []
    for code, (value, inside_N) in enumerate(zip(grouping.values, insides, strict=True)):
        if fits:
            comparison = _compare_primary(case, cells, inside_N, sums[code], total_RS)
        else:
            right, total = int((~wrong_N & inside_N).sum()), int(inside_N.sum())
            right_rest, rest = int((~wrong_N & ~inside_N).sum()), len(wrong_N) - total
            comparison = _compare_shares(right, total, right_rest, rest, case.settings.confidence)
        p_value, is_worse = _test(case, wrong_N, inside_N)
        name = _figure_name(case, grouping.column, fits)
        rows.append(Row(grouping.column, value, name, int(inside_N.sum()), comparison, p_value, is_worse))
    return rows


def _judge_label_sets(case: Case, cells: Cells, minimum: int) -> tuple[list[Row], int]:
    """The recall of each label that enough documents have against that of the others, and how many labels are left out.

    Tested as if the labels of one document were missed independently of each other.
    """
    hits_C, support_C, _ = classes_of(cells.sums(np.ones(len(case.truth), dtype=np.bool_)))
    rows = []
    for label, hits, support in zip(case.classifier.labels, hits_C.astype(int), support_C.astype(int), strict=True):
        rest_hits, rest = int(hits_C.sum()) - int(hits), int(support_C.sum()) - int(support)
        if min(support, rest) < minimum:
            continue
        comparison = _compare_shares(int(hits), int(support), rest_hits, rest, case.settings.confidence)
        p_value = _fisher(int(hits), int(support), rest_hits, rest)
        rows.append(Row("label", label, "recall", int(support), comparison, p_value, comparison.difference < 0))
    return rows, len(support_C) - len(rows)


def _fits_primary(case: Case, column: str, inside_S: NDArray[np.float64], outside_S: NDArray[np.float64]) -> bool:
    if case.classifier.task == "regression":
        return True
    if column == "label":
        return False
    support, others = classes_of(inside_S)[1], classes_of(outside_S)[1]
    occurs = support + others > 0
    return bool((np.minimum(support, others)[occurs] >= _CLASS_DOCUMENTS).all())


def _figure_name(case: Case, column: str, fits_primary: bool) -> str:
    if fits_primary:
        return PRIMARY_NAMES[PRIMARY[case.classifier.task]]
    if column == "label":
        return "recall"
    return "accuracy" if case.classifier.task == "single_label" else "share of right sets"


def _compare_primary(
    case: Case, cells: Cells, inside_N: NDArray[np.bool_], inside_RS: NDArray[np.float64], total_RS: NDArray[np.float64]
) -> Comparison:
    """The primary figure, with percentile intervals of the bootstrap; no tighter than the slice's documents allow.

    The rest has more of them mostly, and is judged at its own row.
    """
    inside_S, outside_S = cells.sums(inside_N), cells.sums(~inside_N)
    score, rest = (float(_score(case, part_S, inside_S + outside_S)) for part_S in (inside_S, outside_S))
    score_R, rest_R = (_score(case, part_RS, total_RS) for part_RS in (inside_RS, total_RS - inside_RS))
    confidence = case.settings.confidence
    intervals = percentile_intervals({"score": score_R, "difference": score_R - rest_R}, confidence)
    # Bounds of the score, and of the difference as of a score beside this rest.
    lows, highs = np.transpose([intervals["score"], np.add(intervals["difference"], rest)])
    if case.classifier.task != "regression":
        lows, highs = widen(lows, highs, np.array(score), inside_N.sum(), confidence)
    (low, below), (high, above) = lows.tolist(), highs.tolist()
    return Comparison(score, low, high, rest, score - rest, below - rest, above - rest)


def _score(case: Case, sums: NDArray[Any], total: NDArray[Any]) -> NDArray[Any]:
    """The primary figure [...] of sums [..., S] of a part; `total`, the sums of the split, has how numbers spread."""
    if case.classifier.task != "regression":
        return macro_scores(Tally(*classes_of(sums)))["f1_macro"]
    # The errors of the part, as if the whole split had them.
    scaled = total.copy()
    scaled[..., 3] = sums[..., 3] / sums[..., 0] * total[..., 0]
    return value_scores(scaled)["r2"]


def _compare_shares(right: int, total: int, right_rest: int, rest: int, confidence: float) -> Comparison:
    """Two shares of right answers.

    Source of the intervals: Wilson (1927), and of their difference Newcombe, Interval Estimation for the Difference
    Between Independent Proportions (1998), method 10. A bootstrap of a share of 0 or 1 would have no width.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    low, high = proportion_confint(right, total, alpha=1 - confidence, method="wilson")
    below, above = confint_proportions_2indep(
        right, total, right_rest, rest, method="newcomb", compare="diff", alpha=1 - confidence
    )
    score, others = right / total, right_rest / rest
    return Comparison(score, float(low), float(high), others, score - others, float(below), float(above))


def _test(case: Case, wrong_N: NDArray[np.bool_], inside_N: NDArray[np.bool_]) -> tuple[float, bool]:
    """The two-sided p-value of slice and rest being alike, and whether the slice is the worse of them."""
    if case.classifier.task == "regression":
        errors_N = np.abs(case.outputs.astype(np.float64) - case.truth)
        found = stats.mannwhitneyu(errors_N[inside_N], errors_N[~inside_N], method="asymptotic")
        return float(found.pvalue), bool(found.statistic > inside_N.sum() * (~inside_N).sum() / 2)
    right, total = int((~wrong_N & inside_N).sum()), int(inside_N.sum())
    right_rest, rest = int((~wrong_N & ~inside_N).sum()), int((~inside_N).sum())
    return _fisher(right, total, right_rest, rest), right / total < right_rest / rest


def _fisher(right: int, total: int, right_rest: int, rest: int) -> float:
    return float(stats.fisher_exact([[right, total - right], [right_rest, rest - right_rest]]).pvalue)


def _correct(rows: list[Row], confidence: float) -> list[dict[str, Any]]:
    """The rows as JSON, with p-values corrected over all of them."""
    adjusted = adjust_holm([row.p_value for row in rows])
    return [
        {
            "column": row.column,
            "value": row.value,
            "figure": row.figure,
            "num_documents": row.num_documents,
            **row.comparison._asdict(),
            "p_value": row.p_value,
            "p_adjusted": p_adjusted,
            "weak": bool(row.is_worse and p_adjusted <= 1 - confidence),
        }
        for row, p_adjusted in zip(rows, adjusted, strict=True)
    ]
