"""The expectations of each suite, made from the limits in params.yaml."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from textmill.tasks import Task

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

SUITES = ("schema", "raw", "clean", "classes", "reference", "splits", "texts", "shortcuts")
Statistic = Literal["rows", "sum", "mean", "median", "min", "max"]

_SMALLEST = "Documents of the smallest class in {}"
_DRIFT = "Largest difference of a class's share in {} from its share of all"
# What a number has nothing of, by key of the section contract.
_OF_CLASSES = (
    "documents_per_class",
    "documents_per_class_and_split",
    "classes",
    "labels",
    "token_shortcut",
    "prefix_shortcut",
)
_CALLED: dict[Task, str] = {"single_label": "class", "multi_label": "label", "regression": "range of the target"}
# What the pipeline promises of every row: suite, column of the table, and what it counts.
_PROMISES = (
    ("raw", "unaccounted", "Rows that are neither kept nor in quarantine, or both"),
    ("raw", "unnamed", "Rows without an id"),
    ("raw", "repeated", "Rows whose id another row has too"),
    ("clean", "unnamed", "Documents without an id"),
    ("clean", "repeated", "Documents whose id another document has too"),
    ("clean", "unlabelled", "Documents without a label"),
    ("clean", "not_once", "Documents that do not lie in exactly one split"),
    ("splits", "textless", "Documents without a text"),
)
_MISLABELLED: dict[Task, str] = {
    "multi_label": "Documents whose labels are not sorted, or not each there once",
    "regression": "Documents whose label is no finite number",
}
# What has a limit in params.yaml: suite, column, statistic, what it measures, key of the section contract.
_LIMITED: tuple[tuple[str, str | None, Statistic, str, str], ...] = (
    ("raw", "missing", "mean", "Share of rows without a text or a label", "missing_share"),
    ("raw", "duplicate", "mean", "Share of rows that repeat another, exactly or nearly", "duplicate_share"),
    ("raw", "quarantined", "mean", "Share of rows in quarantine", "quarantine_share"),
    ("clean", None, "rows", "Documents after cleaning", "documents"),
    ("classes", None, "rows", "Classes", "classes"),
    ("classes", "unlisted", "sum", "Labels that are not among those allowed", "labels"),
    ("classes", "documents", "min", "Documents of the smallest class", "documents_per_class"),
    ("classes", "train", "min", _SMALLEST.format("train"), "documents_per_class_and_split"),
    ("classes", "validation", "min", _SMALLEST.format("validation"), "documents_per_class_and_split"),
    ("classes", "test", "min", _SMALLEST.format("test"), "documents_per_class_and_split"),
    ("classes", "train_drift", "max", _DRIFT.format("train"), "split_drift"),
    ("classes", "validation_drift", "max", _DRIFT.format("validation"), "split_drift"),
    ("classes", "test_drift", "max", _DRIFT.format("test"), "split_drift"),
    ("reference", "drift", "max", "Largest difference of a class's share from the reference", "reference_drift"),
    ("splits", "leaks", "sum", "Documents with text, near duplicate or group in another split too", "leakage"),
    ("splits", "num_characters", "median", "Median length of the documents, in characters", "characters"),
    ("texts", "main_script", "mean", "Share of the texts that are in the commonest script", "main_script_share"),
    ("texts", "email", "mean", "Share of the texts with an e-mail address", "email_share"),
    ("texts", "phone", "mean", "Share of the texts with a telephone number", "phone_share"),
    ("shortcuts", "word", "max", "Strongest correlation of a class with one word", "token_shortcut"),
    ("shortcuts", "affix", "max", "Strongest correlation of a class with the first or last words", "prefix_shortcut"),
)


@dataclass(frozen=True)
class Check:
    """One expectation: a statistic of a column of a suite's table has limits.

    Attributes:
        column: None counts the table's rows.
        about: what is counted or measured, in words.
        setting: the key of params.yaml with the limits; None where the pipeline itself promises them.
        low, high: the limits, both allowed; None is no limit.
        level: `error` stops the pipeline, `warn` is only told.
        required: said in place of the limits.
    """

    suite: str
    column: str | None
    statistic: Statistic
    about: str
    setting: str | None
    low: float | None
    high: float | None
    level: Literal["error", "warn"] = "error"
    required: str | None = None

    def limits(self) -> str:
        """Such as: at least 3 and at most 50."""
        if self.required is not None:
            return self.required
        if self.low is not None and self.low == self.high:
            return f"exactly {say(self.low)}"
        parts = [("at least", self.low), ("at most", self.high)]
        return " and ".join(f"{words} {say(value)}" for words, value in parts if value is not None)

    def expectation(self) -> "Expectation":
        """The same for Great Expectations, whose Data Docs show the description. Nothing of the user's is in it."""
        from great_expectations import expectations as gxe
        from great_expectations.expectations.metadata_types import FailureSeverity

        settings: dict[str, Any] = {
            "min_value": self.low,
            "max_value": self.high,
            "description": self._describe(),
            "severity": FailureSeverity.CRITICAL if self.level == "error" else FailureSeverity.WARNING,
        }
        if self.column is None:
            settings["min_value"] = None if self.low is None else math.ceil(self.low)
            settings["max_value"] = None if self.high is None else math.floor(self.high)
            return gxe.ExpectTableRowCountToBeBetween(**settings)
        kinds: dict[str, Any] = {
            "sum": gxe.ExpectColumnSumToBeBetween,
            "mean": gxe.ExpectColumnMeanToBeBetween,
            "median": gxe.ExpectColumnMedianToBeBetween,
            "min": gxe.ExpectColumnMinToBeBetween,
            "max": gxe.ExpectColumnMaxToBeBetween,
        }
        expectation: Expectation = kinds[self.statistic](column=self.column, **settings)
        return expectation

    def _describe(self) -> str:
        limits = self.limits() if self.required is None else f"as {self.setting} says"
        return f"{self.about}: {limits}{' (only warns)' if self.level == 'warn' else ''}"


def say(value: object) -> str:
    """A number as people write it, thousands apart; anything else as text."""
    return f"{value:,.12g}" if isinstance(value, (int, float)) else str(value)


def build_schema_checks(tables: tuple[str, ...]) -> list[Check]:
    """Columns and types of each table. Where these fail, nothing else can be asked."""
    about = "Wrong, missing or superfluous columns of {}"
    return [_promise("schema", name, about.format(name)) for name in tables]


def build_checks(
    limits: Mapping[str, Mapping[str, Any]],
    *,
    num_accounted: int,
    num_clean: int,
    min_characters: int,
    max_characters: int,
    has_reference: bool,
    task: Task = "single_label",
) -> list[Check]:
    """All checks but those of the schemas, suite by suite. A limit that is null in params.yaml makes none.

    Those of classes are left out for regression, where drift is of ranges of the number (see `list_left_out`).

    Args:
        limits: the keys of the section `contract` in params.yaml that have a level.
        num_accounted: rows that were kept or put into quarantine.
        num_clean: documents after cleaning.
        min_characters, max_characters: of the section `clean`.
    """
    checks = [
        Check("raw", None, "rows", "Rows read: those kept and those in quarantine", None, num_accounted, num_accounted),
        Check("splits", None, "rows", "Documents of the splits: those after cleaning", None, num_clean, num_clean),
        *(_promise(*promise) for promise in _PROMISES),
        *((_promise("clean", "mislabelled", _MISLABELLED[task]),) if task != "single_label" else ()),
        *(
            _bound("min", "Shortest document, in characters", "clean.min_characters", min_characters, None),
            _bound("max", "Longest document, in characters", "clean.max_characters", None, max_characters),
        ),
    ]
    for suite, column, statistic, about, key in _LIMITED:
        check = _limited(suite, column, statistic, about.replace("class's", f"{_CALLED[task]}'s"), key, limits[key])
        if key in _left_out(task) or check is None or (suite == "reference" and not has_reference):
            continue
        checks.append(check)
    return sorted(checks, key=lambda check: SUITES.index(check.suite))  # stable: within a suite in this order


def list_left_out(limits: Mapping[str, Mapping[str, Any]], task: Task) -> list[str]:
    """Keys of params.yaml that have a limit, but say nothing about the task."""
    return [
        f"contract.{key}"
        for key in _left_out(task)
        if any(value is not None for name, value in limits[key].items() if name != "level")
    ]


def _left_out(task: Task) -> tuple[str, ...]:
    return _OF_CLASSES if task == "regression" else ()


def _promise(suite: str, column: str, about: str) -> Check:
    return Check(suite, column, "sum", about, None, None, 0)


def _bound(statistic: Statistic, about: str, setting: str, low: float | None, high: float | None) -> Check:
    return Check("splits", "num_characters", statistic, about, setting, low, high)


def _limited(
    suite: str, column: str | None, statistic: Statistic, about: str, key: str, limit: Mapping[str, Any]
) -> Check | None:
    level, setting = limit["level"], f"contract.{key}"
    if "allowed" in limit:
        if limit["allowed"] is None:
            return None
        required = f"only {', '.join(limit['allowed'])}"
        return Check(suite, column, statistic, about, setting, None, 0, level, required)
    low, high = limit.get("min"), limit.get("max")
    if low is None and high is None:
        return None
    return Check(suite, column, statistic, about, setting, low, high, level)
