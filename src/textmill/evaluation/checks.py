"""How the user says that a model must behave, whatever its score: `evaluate.checks`.

Three kinds, of Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models with CheckList (2020): a change that
must not change the answer (invariance), one that may move a probability only one way (directional), and texts whose
answer is known (their minimum functionality test, here expectation). A document fails if any of its changed texts does.

Shapes: N documents, V changed texts, C labels.
"""

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmill.errors import UserError
from textmill.evaluation.answers import answer_each, write_answers
from textmill.evaluation.case import Case, Findings
from textmill.evaluation.proportions import clopper_pearson
from textmill.evaluation.sampling import generator_of
from textmill.tasks import join_labels

_SHOWN = 20  # ids of failed documents

Check = dict[str, Any]  # as in params.yaml


class UnknownCheckLabel(UserError):
    """A check names a label that the model was not taught."""


class Outcome(NamedTuple):
    """What was tested, and the ids of what failed: of documents, or numbers from 1 of an expectation's texts."""

    num_documents: int
    failed: list[str]


def examine(case: Case) -> Findings | None:
    """The share of documents that fail each check, with the interval of Clopper and Pearson (1934).

    Labels are looked at on validation already, so that a mistake shows early; the checks themselves are for test.

    Raises: UnknownCheckLabel.
    """
    if not case.settings.checks:
        return None
    for check in case.settings.checks:
        _check_labels(check, case.classifier.labels)
    if case.split == "validation":
        return None
    rows = [_report(check, _run(case, check), case.settings.confidence) for check in case.settings.checks]
    num_failed = sum(not row["passed"] for row in rows)
    return Findings({"checks_failed": float(num_failed)}, {"rows": rows})


def _report(check: Check, outcome: Outcome, confidence: float) -> dict[str, Any]:
    """A row of the table. A check is not passed if it tests nothing: no document has the words to be replaced."""
    num_failed, num_documents = len(outcome.failed), outcome.num_documents
    rate = num_failed / num_documents if num_documents else None
    low, high = clopper_pearson(num_failed, num_documents, confidence) or (None, None)
    return {
        "name": check["name"],
        "kind": check["kind"],
        "num_documents": num_documents,
        "num_failed": num_failed,
        "failure_rate": rate,
        "low": low,
        "high": high,
        "max_failures": check["max_failures"],
        "passed": rate is not None and rate <= check["max_failures"],
        "ids": outcome.failed[:_SHOWN],
    }


def _run(case: Case, check: Check) -> Outcome:
    if check["kind"] == "expectation":
        return _expect(case, check)
    owner_V, texts = change_documents(case, check)
    if not texts:
        return Outcome(0, [])
    before, after = case.outputs[owner_V], answer_each(case.classifier, texts)
    fails = _has_changed if check["kind"] == "invariance" else _has_gone_wrong
    failed_V = fails(case, check, before, after)
    ids = case.documents["id"].to_numpy()[np.unique(owner_V[failed_V])]
    return Outcome(len(np.unique(owner_V)), ids.tolist())


def change_documents(case: Case, check: Check) -> tuple[NDArray[np.int64], list[str]]:
    """The changed texts of a seeded sample of the documents that can be changed, and each one's document [V]."""
    texts = case.documents["text"].tolist()
    patterns = {old: re.compile(rf"(?<!\w){re.escape(old)}(?!\w)") for old in check["replace"] or ()}
    able = [
        i for i, text in enumerate(texts) if not patterns or any(pattern.search(text) for pattern in patterns.values())
    ]
    generator = generator_of(case.settings.seed, "check", check["name"])
    chosen = np.sort(generator.permutation(np.array(able, dtype=np.int64))[: check["documents"]])
    owners, changed = [], []
    for i in chosen.tolist():
        variants = _variants(texts[i], check, patterns)
        owners += [i] * len(variants)
        changed += variants
    return np.array(owners, dtype=np.int64), changed


def _variants(text: str, check: Check, patterns: dict[str, re.Pattern[str]]) -> list[str]:
    if not patterns:
        return [" ".join(part for part in (check["prepend"], text, check["append"]) if part)]
    return [
        pattern.sub(new.replace("\\", r"\\"), text)
        for old, pattern in patterns.items()
        if pattern.search(text)
        for new in check["replace"][old]
    ]


def _has_changed(case: Case, check: Check, before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the answer is another one [V]."""
    if case.classifier.task == "regression":
        return np.abs(after - before) > check["tolerance"]
    return write_answers(case.classifier, before) != write_answers(case.classifier, after)


def _has_gone_wrong(case: Case, check: Check, before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the label's probability, or the number, went the other way by more than the tolerance [V]."""
    moved = after - before
    moved_V = moved if check["label"] is None else moved[:, case.classifier.labels.index(check["label"])]
    return (moved_V if check["direction"] == "up" else -moved_V) < -check["tolerance"]


def _expect(case: Case, check: Check) -> Outcome:
    texts, expected = list(check["texts"]), list(check["texts"].values())
    outputs = answer_each(case.classifier, texts)
    if case.classifier.task == "regression":
        wrong = np.abs(outputs - np.array(expected)) > check["tolerance"]
    else:
        wanted = [join_labels(answer) if isinstance(answer, list) else answer for answer in expected]
        wrong = write_answers(case.classifier, outputs) != np.array(wanted, dtype=object)
    return Outcome(len(texts), [str(i + 1) for i in np.flatnonzero(wrong)])


def _check_labels(check: Check, labels: list[str]) -> None:
    """Raises: UnknownCheckLabel."""
    if not labels:
        return
    named = [check["label"]] if check["kind"] == "directional" else []
    for answer in check.get("texts", {}).values():
        named += answer if isinstance(answer, list) else [answer]
    if unknown := sorted(set(named) - set(labels)):
        raise UnknownCheckLabel(
            f"evaluate.checks in params.yaml: the check {check['name']} names {', '.join(map(repr, unknown))}, but the "
            f"labels of the model are {', '.join(map(repr, labels))}. Name one of them, as they are after clean.labels."
        )
