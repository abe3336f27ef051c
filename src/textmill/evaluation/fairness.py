"""Do groups of people get a label equally often, and are answers equally right for them?

The definitions are fairlearn's (Weerts et al., Fairlearn: Assessing and Improving Fairness of AI Systems, 2023): a
difference is the largest of the groups' rates minus the smallest; equalized odds takes the larger of the differences
of true and of false positive rates (Hardt, Price and Srebro, Equality of Opportunity in Supervised Learning, 2016). A
label is one against the rest. Here a group in which a rate has no document (no one has the label) is left out of that
difference, where fairlearn sets the rate to 0.

All rates are quotients of sums over documents, so that the intervals of all labels and differences come from one matrix
product a group, in 0.3 s for 7,500 documents and 20 labels. fairlearn goes through pandas: 0.1 s a label and resample,
more than an hour in all. So it is the reference of the tests, and not used here.

Shapes: V groups, C labels, X rates of a difference (of every label), R resamples.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.errors import UserError
from textmill.evaluation.case import Case, Findings
from textmill.evaluation.groups import (
    Cells,
    Grouping,
    cells_of,
    classes_of,
    group_by_column,
    resample_groups,
    slice_columns,
)
from textmill.evaluation.resampling import widen

Floats = NDArray[np.float64]

# The rates that a difference is of; and whether groups are alike in it if they get equal answers to equal truth, rather
# than equal answers.
DIFFERENCES: dict[str, tuple[tuple[str, ...], bool]] = {
    "demographic_parity_difference": (("selection",), False),
    "equalized_odds_difference": (("true_positive", "false_positive"), True),
    "accuracy_difference": (("accuracy",), False),
}
_CHANCE_RESAMPLES = 500  # of groups that are alike


class UnknownSensitiveColumn(UserError):
    """evaluate.slices.sensitive names a column that the documents do not have."""


def examine(case: Case) -> Findings | None:
    """Compare the groups of each column of slices.sensitive that have `min_documents` documents; numbers have none.

    Of regression the slices by the same columns tell whose numbers are further off.

    Returns:
        metrics: demographic_parity_difference and equalized_odds_difference, the largest of all columns and labels.
            details: of each column groups, too_small (groups left out), and differences of each label, with label null
            the largest of them: value, highest and lowest (the groups that it is between), low and high (of the
            difference between these two; 0 where the order may be the other way round), and chance: what groups of
            these sizes that are alike stay below with the confidence, for the largest of many differences is large.
    """
    columns = [str(column) for column in case.settings.slices["sensitive"]]
    if not columns or case.classifier.task == "regression":
        return None
    details = {column: _examine_column(case, column, number) for number, column in enumerate(columns)}
    rows = [row for found in details.values() for row in found["differences"] if row["name"] != "accuracy_difference"]
    metrics: dict[str, float] = {}
    for row in rows:
        metrics[row["name"]] = max(row["value"], metrics.get(row["name"], 0.0))
    return Findings(metrics, details)


def _examine_column(case: Case, column: str, number: int) -> dict[str, Any]:
    if column not in slice_columns(case.documents):
        raise UnknownSensitiveColumn(
            f"evaluate.slices.sensitive names {column!r}, but the documents have the columns "
            f"{slice_columns(case.documents) or 'none'} of data.slices. Name one of these (a position in a file with a "
            "header counts as that column's name), or take it out."
        )
    settings = case.settings
    whole = group_by_column(case.documents, column, settings.slices["length_bins"])
    enough = whole.sizes() >= settings.slices["min_documents"]
    grouping = whole.select(np.flatnonzero(enough))
    cells = cells_of(case)
    members = [grouping.codes_N == code for code in range(len(grouping.values))]
    sums_VS = np.array([cells.sums(inside_N) for inside_N in members]).reshape(-1, cells.terms_KS.shape[1])
    observed = rates_of(sums_VS)
    groups = [
        {
            "value": value,
            "num_documents": int(members[i].sum()),
            "accuracy": float(observed["accuracy"][i, 0]),
            "selection_rates": _by_label(case, observed["selection"][i]),
            "true_positive_rates": _by_label(case, observed["true_positive"][i]),
        }
        for i, value in enumerate(grouping.values)
    ]
    differences = _compare(case, grouping, cells, sums_VS, settings.seed + number) if len(groups) > 1 else []
    return {"groups": groups, "differences": differences, "too_small": int((~enough).sum())}


def _compare(case: Case, grouping: Grouping, cells: Cells, sums_VS: Floats, seed: int) -> list[dict[str, Any]]:
    """The differences of each label, and the largest of them; no tighter than the smaller group allows (`widen`)."""
    confidence = case.settings.confidence
    observed, sizes = rates_of(sums_VS), sizes_of(sums_VS)
    sums = dict(resample_groups(grouping, cells, num_resamples=case.settings.num_resamples, seed=seed))
    resampled = rates_of(np.stack([sums[code] for code in range(len(grouping.values))], axis=1))
    rows: list[dict[str, Any]] = []
    for name, (kinds, given_truth) in DIFFERENCES.items():
        observed_VX, sizes_VX, resampled_RVX = (_side_by_side(of, kinds) for of in (observed, sizes, resampled))
        alike = rates_of(_draw_alike(grouping, cells, given_truth=given_truth, seed=seed))
        spread_X, chance_RX = spread(observed_VX), spread(_side_by_side(alike, kinds))
        for label, columns in _columns(case.classifier.labels, len(spread_X)):
            if np.isnan(spread_X[columns]).all():
                continue  # fewer than two groups have a rate
            x = columns[np.nanargmax(spread_X[columns])]
            # Of equal groups the first and the last, so that the interval is not that of a group and itself.
            highest = int(np.nanargmax(observed_VX[:, x]))
            lowest = len(observed_VX) - 1 - int(np.nanargmin(observed_VX[::-1, x]))
            apart_R = resampled_RVX[:, highest, x] - resampled_RVX[:, lowest, x]
            low, high = np.nanquantile(apart_R, [(1 - confidence) / 2, (1 + confidence) / 2])
            low, high = widen(low, high, spread_X[x], sizes_VX[[highest, lowest], x].min(), confidence)
            numbers = {"value": spread_X[x], "low": max(low, 0.0), "high": high}
            numbers["chance"] = np.nanquantile(np.fmax.reduce(chance_RX[:, columns], axis=1), confidence)
            between = {"highest": grouping.values[highest], "lowest": grouping.values[lowest]}
            rows.append({"name": name, "label": label, **{k: float(v) for k, v in numbers.items()}, **between})
    return rows


def rates_of(sums: Floats) -> dict[str, Floats]:
    """Rates [..., V, C], and accuracy [..., V, 1], of sums [..., V, 3 C + 2] of the terms of `groups.cells_of`.

    NaN where a group has no document that could have it.
    """
    hits, _, predicted = classes_of(sums)
    counted = {
        "accuracy": sums[..., -2:-1],
        "selection": predicted,
        "true_positive": hits,
        "false_positive": predicted - hits,
    }
    return {kind: _divide(counted[kind], size) for kind, size in sizes_of(sums).items()}


def sizes_of(sums: Floats) -> dict[str, Floats]:
    """The documents that each of `rates_of` is a share of, in its shape."""
    _, support, _ = classes_of(sums)
    total = sums[..., -1:]
    every = np.broadcast_to(total, support.shape)
    return {"accuracy": total, "selection": every, "true_positive": support, "false_positive": total - support}


def _side_by_side(rates: dict[str, Floats], kinds: tuple[str, ...]) -> Floats:
    """Rates [..., V, X] of a difference, X all labels of the first kind, then of the next."""
    return np.concatenate([rates[kind] for kind in kinds], axis=-1)


def _columns(labels: list[str], num_rates: int) -> list[tuple[str | None, NDArray[np.int64]]]:
    """Each label and its positions among X rates; None and all of them."""
    everything = np.arange(num_rates)
    own = [(label, everything[i :: len(labels)]) for i, label in enumerate(labels)] if num_rates > 1 else []
    return [*own, (None, everything)]


def spread(rates: Floats) -> Floats:
    """Largest minus smallest [..., X] of the groups that have a rate [..., V, X]; NaN where fewer than two have one."""
    several = np.isfinite(rates).sum(axis=-2) > 1
    return np.where(several, np.fmax.reduce(rates, axis=-2) - np.fmin.reduce(rates, axis=-2), np.nan)


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    empty = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)


def _draw_alike(grouping: Grouping, cells: Cells, *, given_truth: bool, seed: int) -> Floats:
    """Sums [R, V, S] of groups of the same sizes, drawn from the documents of all groups together.

    Args:
        given_truth: keep each group's own truth, and draw only the answers to it; this is the chance of equalized odds,
            which does not mind that one label is more frequent in a group.
    """
    rng = np.random.default_rng(seed)
    num_cells, num_terms = cells.terms_KS.shape
    truth_KC = classes_of(cells.terms_KS)[1]
    truth_K = (
        np.unique(truth_KC, axis=0, return_inverse=True)[1] if given_truth else np.zeros(num_cells, dtype=np.int64)
    )
    strata = [np.flatnonzero(truth_K == truth) for truth in np.unique(truth_K)]
    members = [cells.cells_N[grouping.codes_N == code] for code in range(len(grouping.values))]
    counts_VK = np.array([np.bincount(cells_N, minlength=num_cells) for cells_N in members])
    pooled_K = counts_VK.sum(axis=0)
    sums_RVS = np.zeros((_CHANCE_RESAMPLES, len(counts_VK), num_terms))
    for columns in strata:
        total = pooled_K[columns].sum()
        if not total:
            continue  # of groups that are too small
        for code, size in enumerate(counts_VK[:, columns].sum(axis=1)):
            drawn_RK = rng.multinomial(size, pooled_K[columns] / total, size=_CHANCE_RESAMPLES)
            sums_RVS[:, code] += drawn_RK @ cells.terms_KS[columns]
    return sums_RVS


def _by_label(case: Case, rates_C: Floats) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {
        label: float(rate) if np.isfinite(rate) else None
        for label, rate in zip(case.classifier.labels, rates_C, strict=True)
    }
