"""The promotion gate: may this model take the champion's place? Pure, from predictions to a decision.

Candidate and champion meet on the same documents. A document that either of them learned from would
flatter it, so it is left out, and counted.

The test is one of non-inferiority: the candidate passes if it is worse by less than the margin with the
wanted one-sided confidence, see `evaluation.significance`.

Shapes: N test documents, M of them that neither contender learned from.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.evaluation import quality, significance

FEWEST_DOCUMENTS = 30


@dataclass(frozen=True)
class Contender:
    """One side of the comparison.

    Args:
        labels: the labels it knows, in its own order.
        predicted_N: its label for each test document.
        train_clusters: clusters of the documents it learned from.
        version: its registered version, None while it has none.
    """

    labels: Sequence[str]
    predicted_N: NDArray[Any]
    train_clusters: frozenset[str]
    version: int | None = None


@dataclass(frozen=True)
class Settings:
    """`params.gate`, and the seed of the resampling."""

    min_quality: float
    margin: float
    confidence: float
    num_resamples: int
    seed: int


@dataclass(frozen=True)
class Rule:
    """What was asked and what was found; only a rule of level `block` refuses."""

    rule: str
    observed: Any
    required: Any
    passed: bool
    level: Literal["block", "warn"]
    message: str


@dataclass(frozen=True)
class Decision:
    """What the gate says, and why.

    Attributes:
        passed: no blocking rule failed.
        champion_version: whom the candidate met; None for the first version.
        num_documents: test documents of the comparison.
        num_left_out: test documents that either contender learned from.
        f1_macro: of the candidate on these documents, and of the champion.
        difference: candidate minus champion in macro-F1: as observed, and its one-sided lower bound.
        smallest_detectable_loss: a true loss of macro-F1 that these documents reveal in 4 of 5 cases.
        flipped: ids whose answer changed: `broken` were right with the champion, `mended` are right now.
    """

    passed: bool
    champion_version: int | None
    rules: list[Rule]
    num_documents: int
    num_left_out: int
    f1_macro: dict[str, float | None]
    difference: dict[str, float] | None = None
    smallest_detectable_loss: float | None = None
    flipped: dict[str, list[str]] = field(default_factory=lambda: {"broken": [], "mended": []})

    @property
    def reasons(self) -> list[str]:
        """Why it was refused; empty if it passed."""
        return [rule.message for rule in self.rules if not rule.passed and rule.level == "block"]

    @property
    def warnings(self) -> list[str]:
        return [rule.message for rule in self.rules if not rule.passed and rule.level == "warn"]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reasons": self.reasons, "warnings": self.warnings}


def decide(test: pd.DataFrame, candidate: Contender, champion: Contender | None, settings: Settings) -> Decision:
    """Hold the candidate against the quality floor and, where there is one, the champion.

    Args:
        test: the test documents: id, label, cluster; in the order of the contenders' predictions.
        champion: None for the first version, which meets the floor only.
    """
    seen_N = _learned_by(test, candidate) | (_learned_by(test, champion) if champion else np.False_)
    kept_M = np.flatnonzero(~seen_N)
    actual_M = test["label"].to_numpy(dtype=object)[kept_M]
    ours_M = candidate.predicted_N[kept_M]
    ours = _macro_f1(actual_M, ours_M)
    rules = [_floor(ours, settings)]
    facts: dict[str, Any] = {"f1_macro": {"candidate": ours, "champion": None}}
    if champion:
        rules += [_same_labels(candidate, champion), _enough(len(kept_M))]
        if all(rule.passed for rule in rules[1:]):
            theirs_M = champion.predicted_N[kept_M]
            compared, more_rules = _compare(actual_M, ours_M, theirs_M, settings)
            rules += more_rules
            facts = {
                "f1_macro": {"candidate": ours, "champion": _macro_f1(actual_M, theirs_M)},
                "flipped": _flipped(test["id"].to_numpy(dtype=object)[kept_M], actual_M, ours_M, theirs_M),
                **compared,
            }
    return Decision(
        passed=all(rule.passed for rule in rules if rule.level == "block"),
        champion_version=champion.version if champion else None,
        rules=rules,
        num_documents=len(kept_M),
        num_left_out=int(seen_N.sum()),
        **facts,
    )


def _learned_by(test: pd.DataFrame, contender: Contender) -> NDArray[np.bool_]:
    learned: NDArray[np.bool_] = test["cluster"].isin(contender.train_clusters).to_numpy()
    return learned


def _macro_f1(actual_M: NDArray[Any], predicted_M: NDArray[Any]) -> float | None:
    if not len(actual_M):
        return None
    names, (actual, predicted) = _indices(actual_M, predicted_M)
    confusion_CC = quality.confusion_matrix(actual, predicted, len(names))
    return float(quality.scores(quality.tally(confusion_CC))["f1_macro"])


def _indices(*labels_M: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """The labels that occur anywhere, and each array as indices into them."""
    names, indices = np.unique(np.concatenate(labels_M).astype(str), return_inverse=True)
    return names, np.split(indices.astype(np.int64), len(labels_M))


def _floor(observed: float | None, settings: Settings) -> Rule:
    passed = observed is not None and observed >= settings.min_quality
    found = "unknown, no test document is left" if observed is None else f"{observed:.4f}"
    message = f"macro-F1 on the test split is {found}; the floor is {settings.min_quality:.4f} (gate.min_quality)"
    return Rule("min_quality", observed, settings.min_quality, passed, "block", message)


def _same_labels(candidate: Contender, champion: Contender) -> Rule:
    ours, theirs = sorted(candidate.labels), sorted(champion.labels)
    message = (
        f"the labels are {', '.join(ours)}; the champion's (version {champion.version}) are {', '.join(theirs)}: "
        "callers would meet other labels, so this needs `textmill promote --force --reason ...`"
    )
    return Rule("same_labels", ours, theirs, ours == theirs, "block", message)


def _enough(num_documents: int) -> Rule:
    message = (
        f"{num_documents} test documents are left that neither model learned from; a comparison needs "
        f"{FEWEST_DOCUMENTS}. Keep the split (seed, split, clean) of the champion, or add documents"
    )
    passed = num_documents >= FEWEST_DOCUMENTS
    return Rule("enough_documents", num_documents, FEWEST_DOCUMENTS, passed, "block", message)


def _compare(
    actual_M: NDArray[Any], ours_M: NDArray[Any], theirs_M: NDArray[Any], settings: Settings
) -> tuple[dict[str, Any], list[Rule]]:
    """The paired difference as facts of the decision, and the rules on it."""
    names, (actual, ours, theirs) = _indices(actual_M, ours_M, theirs_M)
    confidence, margin = settings.confidence, settings.margin
    difference = significance.paired_bootstrap(
        actual, ours, theirs, len(names), num_resamples=settings.num_resamples, seed=settings.seed
    )
    bound = difference.lower_bound(confidence)
    loss = significance.smallest_detectable_loss(difference, confidence=confidence)
    worse = (
        f"macro-F1 differs from the champion's by {difference.observed:+.4f}, and with {confidence:.0%} confidence "
        f"by no worse than {bound:+.4f}; the margin is {-margin:+.4f} (gate.margin)"
    )
    coarse = (
        f"on {len(actual_M)} documents a loss below {loss:.4f} may go unseen, which is more than the margin of "
        f"{margin:.4f} (gate.margin): a model just as good may be refused; more test documents help"
    )
    passed = significance.non_inferior(difference, margin=margin, confidence=confidence)
    facts = {
        "difference": {"observed": difference.observed, "lower_bound": bound},
        "smallest_detectable_loss": loss,
    }
    rules = [
        Rule("non_inferior", bound, -margin, passed, "block", worse),
        Rule("detectable_loss", loss, margin, loss <= margin, "warn", coarse),
    ]
    return facts, rules


def _flipped(
    ids_M: NDArray[Any], actual_M: NDArray[Any], ours_M: NDArray[Any], theirs_M: NDArray[Any]
) -> dict[str, list[str]]:
    ours_right_M, theirs_right_M = ours_M == actual_M, theirs_M == actual_M
    return {
        "broken": sorted(ids_M[theirs_right_M & ~ours_right_M].tolist()),
        "mended": sorted(ids_M[ours_right_M & ~theirs_right_M].tolist()),
    }
