"""The promotion gate: may this model take the champion's place? Pure, from predictions to a decision.

Candidate and champion meet on the same documents. A document that either of them learned from would
flatter it, so it is left out, and counted.

The test is one of non-inferiority: the candidate passes if it is worse by less than the margin with the
wanted one-sided confidence, see `evaluation.significance`. The score is the task's primary figure, macro-F1 or R².

Shapes: N test documents, M of them that neither contender learned from.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.evaluation import significance
from textmill.evaluation.primary import name_primary, score_answers
from textmill.tasks import Task

FEWEST_DOCUMENTS = 30
_MOST_MOVED = 50  # numbers that are told of in each direction


@dataclass(frozen=True)
class Contender:
    """One side of the comparison.

    Args:
        labels: the labels it knows, in its own order; none for regression.
        predicted_N: its answer to each test document, as our tables hold it.
        train_clusters: clusters of the documents it learned from.
        version: its registered version, None while it has none.
    """

    task: Task
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
        task: of the candidate.
        score: of the candidate on these documents, and of the champion.
        difference: candidate minus champion in score: as observed, and its one-sided lower bound.
        smallest_detectable_loss: a true loss of score that these documents reveal in 4 of 5 cases.
        flipped: ids whose answer changed: `broken` were right with the champion, `mended` are right now. Of numbers,
            those whose error grew most, and shrank most, at most 50 each, the largest change first.
    """

    passed: bool
    champion_version: int | None
    rules: list[Rule]
    num_documents: int
    num_left_out: int
    task: Task
    score: dict[str, float | None]
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
    task, actual_M = candidate.task, test["label"].to_numpy(dtype=object)[kept_M]
    ours_M = candidate.predicted_N[kept_M]
    ours = score_answers(task, actual_M, ours_M) if len(kept_M) else None
    rules = [_floor(task, ours, settings)]
    facts: dict[str, Any] = {"score": {"candidate": ours, "champion": None}}
    if champion:
        rules += [_same_answers(candidate, champion), _enough(len(kept_M))]
        if all(rule.passed for rule in rules[1:]):
            theirs_M = champion.predicted_N[kept_M]
            compared, more_rules = _compare(task, actual_M, ours_M, theirs_M, settings)
            rules += more_rules
            facts = {
                "score": {"candidate": ours, "champion": score_answers(task, actual_M, theirs_M)},
                "flipped": _flipped(task, test["id"].to_numpy(dtype=object)[kept_M], actual_M, ours_M, theirs_M),
                **compared,
            }
    return Decision(
        passed=all(rule.passed for rule in rules if rule.level == "block"),
        champion_version=champion.version if champion else None,
        rules=rules,
        num_documents=len(kept_M),
        num_left_out=int(seen_N.sum()),
        task=task,
        **facts,
    )


def _learned_by(test: pd.DataFrame, contender: Contender) -> NDArray[np.bool_]:
    learned: NDArray[np.bool_] = test["cluster"].isin(contender.train_clusters).to_numpy()
    return learned


def _floor(task: Task, observed: float | None, settings: Settings) -> Rule:
    passed = observed is not None and observed >= settings.min_quality
    found = "unknown, no test document is left" if observed is None else f"{observed:.4f}"
    floor = f"the floor is {settings.min_quality:.4f} (gate.min_quality)"
    message = f"{name_primary(task)} on the test split is {found}; {floor}"
    return Rule("min_quality", observed, settings.min_quality, passed, "block", message)


def _same_answers(candidate: Contender, champion: Contender) -> Rule:
    """Callers of a champion meet the same kind of answer, and the same labels."""
    force = "so this needs `textmill promote --force --reason ...`"
    if candidate.task != champion.task or candidate.task == "regression":
        message = (
            f"the task is {candidate.task}; the champion's (version {champion.version}) is {champion.task}: callers "
            f"would meet another kind of answer, and the scores cannot be compared, {force}"
        )
        is_same = candidate.task == champion.task
        return Rule("same_task", candidate.task, champion.task, is_same, "block", message)
    ours, theirs = sorted(candidate.labels), sorted(champion.labels)
    message = (
        f"the labels are {', '.join(ours)}; the champion's (version {champion.version}) are {', '.join(theirs)}: "
        f"callers would meet other labels, {force}"
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
    task: Task, actual_M: NDArray[Any], ours_M: NDArray[Any], theirs_M: NDArray[Any], settings: Settings
) -> tuple[dict[str, Any], list[Rule]]:
    """The paired difference as facts of the decision, and the rules on it."""
    confidence, margin = settings.confidence, settings.margin
    difference = significance.paired_bootstrap(
        task, actual_M, ours_M, theirs_M, num_resamples=settings.num_resamples, seed=settings.seed
    )
    bound = difference.lower_bound(confidence)
    loss = significance.smallest_detectable_loss(difference, confidence=confidence)
    worse = (
        f"{name_primary(task)} differs from the champion's by {difference.observed:+.4f}, and with {confidence:.0%} "
        f"confidence by no worse than {bound:+.4f}; the margin is {-margin:+.4f} (gate.margin)"
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
    task: Task, ids_M: NDArray[Any], actual_M: NDArray[Any], ours_M: NDArray[Any], theirs_M: NDArray[Any]
) -> dict[str, list[str]]:
    if task == "regression":
        actual, ours, theirs = (values.astype(np.float64) for values in (actual_M, ours_M, theirs_M))
        growth_M = np.abs(ours - actual) - np.abs(theirs - actual)
        return {"broken": _most(ids_M, growth_M), "mended": _most(ids_M, -growth_M)}
    ours_right_M, theirs_right_M = ours_M == actual_M, theirs_M == actual_M
    return {
        "broken": sorted(ids_M[theirs_right_M & ~ours_right_M].tolist()),
        "mended": sorted(ids_M[ours_right_M & ~theirs_right_M].tolist()),
    }


def _most(ids_M: NDArray[Any], amounts_M: NDArray[np.float64]) -> list[str]:
    order = np.argsort(-amounts_M, kind="stable")[:_MOST_MOVED]
    return [str(ids_M[i]) for i in order if amounts_M[i] > 0]
