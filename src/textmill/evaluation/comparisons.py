"""Every model against every other on the same documents, and how sure each difference is.

All models meet the same resamples. The chance of a false alarm is that of the whole table (Holm), for the more pairs,
the likelier one of them differs by luck.

Shapes: N documents, R resamples.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from textmill.evaluation import significance
from textmill.evaluation.primary import Answers, name_primary, primary_terms
from textmill.evaluation.significance import Difference
from textmill.tasks import Task

if TYPE_CHECKING:
    from textmill.config import Params

Verdict = Literal["better", "worse", "equivalent", "not decided"]

CORRECTION = "Holm"
_LEAST = 0.1  # the smallest p-value that resamples can give, adjusted, as a share of what is significant

# Of `only_a_right` and `only_b_right`, by task: whole sets of labels are right or wrong, numbers nearer or not.
EFFECTS: dict[Task, str] = {
    "single_label": "Cohen's h of accuracy",
    "multi_label": "Cohen's h of subset accuracy",
    "regression": "rank-biserial correlation of absolute errors",
}


@dataclass(frozen=True)
class Rules:
    """When a difference counts.

    Attributes:
        confidence: of the intervals, two-sided; an adjusted p-value below 1 - confidence is significant.
        margin: the difference of the score that counts as none.
        margin_confidence: of non-inferiority, and of each of the two tests of equivalence; one-sided.
    """

    confidence: float
    margin: float
    margin_confidence: float
    num_resamples: int
    seed: int


def rules_of(params: "Params") -> Rules:
    """What params.yaml says of them."""
    return Rules(
        confidence=params.evaluate.confidence,
        margin=params.gate.margin,
        margin_confidence=params.gate.confidence,
        num_resamples=params.gate.num_resamples,
        seed=params.seed,
    )


@dataclass(frozen=True)
class Pair:
    """Model a against model b.

    Attributes:
        difference, low, high: primary figure of a minus that of b, and its paired bootstrap interval.
        p_bootstrap: see `significance.Difference.p_value`.
        only_a_right, only_b_right: documents that only one has right; None for regression, as are McNemar's p-values.
        a_nearer, b_nearer: documents whose number only one is nearer to; None but for regression, as are Wilcoxon's.
        effect_size: see EFFECTS; above 0 where a does better.
        flips: documents that a and b answer differently, rightly or not; None for regression.
        smallest_detectable_loss: a true difference that these documents reveal in 4 of 5 cases.
        non_inferior: a is worse than b by less than the margin, if at all.
        b_non_inferior: b is worse than a by less than the margin, if at all.
        equivalent: a and b differ by less than the margin.
        verdict: of a. A difference that is significant is `better` or `worse` however small it is; of the others those
            that are less than the margin for sure are `equivalent`.
    """

    a: str
    b: str
    difference: float
    low: float
    high: float
    p_bootstrap: float
    p_bootstrap_adjusted: float
    only_a_right: int | None
    only_b_right: int | None
    mcnemar_p: float | None
    mcnemar_p_adjusted: float | None
    a_nearer: int | None
    b_nearer: int | None
    wilcoxon_p: float | None
    wilcoxon_p_adjusted: float | None
    effect_size: float
    flips: int | None
    smallest_detectable_loss: float
    non_inferior: bool
    b_non_inferior: bool
    equivalent: bool
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """All pairs of models, in the order of the models."""

    task: Task
    rules: Rules
    num_documents: int
    models: list[str]
    pairs: list[Pair]

    def to_json(self) -> dict[str, Any]:
        return {
            "figure": name_primary(self.task),
            "correction": CORRECTION,
            "effect": EFFECTS[self.task],
            "num_documents": self.num_documents,
            **asdict(self.rules),
            "models": self.models,
            "pairs": [asdict(pair) for pair in self.pairs],
        }


def compare_models(task: Task, actual_N: Answers, predicted: Mapping[str, Answers], rules: Rules) -> Comparison:
    """Compare the answers of all models to the same documents.

    Args:
        predicted: answers [N] by the model's name.
    """
    pairs = list(combinations(predicted, 2))
    terms = primary_terms(task, actual_N, *predicted.values())
    # Else the correction makes even the least p-value of a large table insignificant.
    num_resamples = max(rules.num_resamples, int(len(pairs) / (1 - rules.confidence) / _LEAST))
    samples = dict(zip(predicted, terms.resampled_scores(num_resamples, rules.seed), strict=True))
    scores = dict(zip(predicted, terms.scores(), strict=True))
    found = []
    for a, b in pairs:
        difference = Difference(scores[a] - scores[b], samples[a] - samples[b], len(actual_N))
        by_document = _compare_documents(task, actual_N, predicted[a], predicted[b])
        found.append({"a": a, "b": b, **_compare_scores(difference, rules), **by_document})
    for name in ("p_bootstrap", "mcnemar_p", "wilcoxon_p"):
        _adjust(found, name)
    for row in found:
        row["verdict"] = _decide(row, rules)
    return Comparison(task, rules, len(actual_N), list(predicted), [Pair(**row) for row in found])


def _compare_scores(difference: Difference, rules: Rules) -> dict[str, Any]:
    low, high = difference.interval(rules.confidence)
    by_margin: dict[str, float] = {"margin": rules.margin, "confidence": rules.margin_confidence}
    return {
        "difference": difference.observed,
        "low": low,
        "high": high,
        "p_bootstrap": difference.p_value,
        "smallest_detectable_loss": significance.smallest_detectable_loss(
            difference, confidence=rules.margin_confidence
        ),
        "non_inferior": significance.non_inferior(difference, **by_margin),
        "b_non_inferior": significance.non_inferior(difference.turned, **by_margin),
        "equivalent": significance.equivalent(difference, **by_margin),
    }


def _compare_documents(task: Task, actual_N: Answers, a_N: Answers, b_N: Answers) -> dict[str, Any]:
    """McNemar's test of answers that are right or wrong, Wilcoxon's of numbers; what the other would say is None."""
    names = ("only_a_right", "only_b_right", "mcnemar_p", "a_nearer", "b_nearer", "wilcoxon_p", "flips")
    row: dict[str, Any] = dict.fromkeys(names)
    if task == "regression":
        by_rank = significance.wilcoxon(*(np.asarray(column, dtype=np.float64) for column in (actual_N, a_N, b_N)))
        return row | {
            "a_nearer": by_rank.num_a_nearer,
            "b_nearer": by_rank.num_b_nearer,
            "wilcoxon_p": by_rank.p_value,
            "effect_size": by_rank.effect_size,
        }
    by_sign = significance.mcnemar(actual_N, a_N, b_N)
    accuracies = [float(np.mean(answers_N == actual_N)) for answers_N in (a_N, b_N)]
    return row | {
        "only_a_right": by_sign.only_a_right,
        "only_b_right": by_sign.only_b_right,
        "mcnemar_p": by_sign.p_value,
        "effect_size": significance.cohens_h(*accuracies),
        "flips": int(np.sum(a_N != b_N)),
    }


def _adjust(rows: list[dict[str, Any]], name: str) -> None:
    """Put NAME_adjusted beside every NAME."""
    values = [row[name] for row in rows]
    adjusted = values if None in values else significance.adjust_holm(values)
    for row, value in zip(rows, adjusted, strict=True):
        row[f"{name}_adjusted"] = value


def _decide(row: dict[str, Any], rules: Rules) -> Verdict:
    if row["p_bootstrap_adjusted"] < 1 - rules.confidence:
        return "better" if row["difference"] > 0 else "worse"
    return "equivalent" if row["equivalent"] else "not decided"
