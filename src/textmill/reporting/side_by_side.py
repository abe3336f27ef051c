"""Two models side by side, of whatever run: figures, the paired difference, what changed, and why it may have.

A is the one before, B the one after: every difference is that of B minus A, and the verdict is of B.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from textmill.errors import UserError
from textmill.evaluation.class_differences import ClassDifference, compare_classes
from textmill.evaluation.comparisons import Pair, Rules, compare_models
from textmill.evaluation.measured import Measured
from textmill.evaluation.primary import name_primary, score_answers
from textmill.reporting.changes import Change, compare_settings, find_changes
from textmill.reporting.templating import say_p
from textmill.reporting.wording import environment
from textmill.tasks import PRIMARY, Task

FEWEST_DOCUMENTS = 30
_COSTS = (
    *("size_mb", "parameters", "memory_mb", "startup_ms", "flops_per_document"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "throughput_per_s"),
)
_NOT_SHOWN = ("score", "num_documents")  # the first is the primary figure by another name


class NotComparable(UserError):
    """Two models whose figures say nothing of each other."""


@dataclass(frozen=True)
class Figure:
    """A figure of both; low and high where it has an interval, each on the model's own test documents."""

    name: str
    a: float
    b: float
    interval_a: tuple[float, float] | None
    interval_b: tuple[float, float] | None


@dataclass(frozen=True)
class Flip:
    """A document that A and B answer differently, and one of them rightly."""

    id: str
    label: str
    a: str
    b: str


@dataclass(frozen=True)
class SideBySide:
    """Everything that is told of two models.

    Attributes:
        pair: B against A on the common documents.
        scores: primary figure of A and of B on the common documents.
        num_common: documents that both were measured on, with the same label.
        num_only: documents that only A, and only B was measured on.
        num_relabelled: documents of both whose label was changed in between; left out.
        figures, costs: those that both have, as measured.
        classes: the labels, the largest change first; none for regression.
        broken, mended: what only A has right, and only B.
        hardware, settings: what is not the same.
        settings_unknown: titles of those of whose settings nothing is known.
        warnings: what a reader must know before the figures.
    """

    a: Measured
    b: Measured
    rules: Rules
    pair: Pair
    scores: tuple[float, float]
    num_common: int
    num_only: tuple[int, int]
    num_relabelled: int
    figures: list[Figure]
    costs: list[Figure]
    classes: list[ClassDifference]
    broken: list[Flip]
    mended: list[Flip]
    hardware: list[Change]
    settings: list[Change]
    settings_unknown: list[str]
    warnings: list[str]

    @property
    def task(self) -> Task:
        return self.a.task

    @property
    def figure(self) -> str:
        """The score in words."""
        return name_primary(self.task)

    @property
    def primary(self) -> str:
        """The score in metrics.json."""
        return PRIMARY[self.task]

    @property
    def sentence(self) -> str:
        """The verdict, for people."""
        pair = self.pair
        gain = f"{100 * pair.difference:+.1f} points of {self.figure} [{100 * pair.low:+.1f}, {100 * pair.high:+.1f}]"
        margin = f"{100 * self.rules.margin:g} points"
        told = {
            "better": f"B is better than A: {gain}",
            "worse": f"B is worse than A: {gain}",
            "equivalent": f"B is equivalent to A, within {margin}: {gain}",
            "not decided": f"B may be better or worse than A: {gain}, which is neither a sure difference nor for sure "
            f"less than {margin}",
        }[pair.verdict]
        return f"{told}, on {self.num_common:,} common test documents."


def put_side_by_side(a: Measured, b: Measured, rules: Rules) -> SideBySide:
    """Compare B with A on the documents that both were measured on.

    Such a document was in both test splits, so neither has learned from it.

    Raises: NotComparable.
    """
    _check_answers(a, b)
    joined = a.answers.join(b.answers, how="inner", lsuffix="_a", rsuffix="_b")
    common = joined[joined["label_a"] == joined["label_b"]]
    if common.empty:
        raise NotComparable(
            f"{a.title} and {b.title} have no test document in common: {len(a.answers):,} and {len(b.answers):,} were "
            f"measured, {len(joined):,} are the same and of these all have other labels. Measure both on the same data "
            "with the same seed, split and clean of params.yaml."
        )
    columns = (common[name].to_numpy(dtype=object) for name in ("label_a", "predicted_a", "predicted_b"))
    actual_N, a_N, b_N = columns
    (pair,) = compare_models(a.task, actual_N, {"B": b_N, "A": a_N}, rules).pairs
    is_regression = a.task == "regression"
    flips = [] if is_regression else _find_flips(common)
    hardware = find_changes(a.report["hardware"], b.report["hardware"])
    settings, unknown = compare_settings(a, b)
    shared = [name for name in a.metrics if name in b.metrics and not name.endswith(("_low", "_high"))]
    names = sorted(shared, key=lambda name: name != PRIMARY[a.task])  # the score first
    return SideBySide(
        a=a,
        b=b,
        rules=rules,
        pair=pair,
        scores=(score_answers(a.task, actual_N, a_N), score_answers(a.task, actual_N, b_N)),
        num_common=len(common),
        num_only=(len(a.answers) - len(joined), len(b.answers) - len(joined)),
        num_relabelled=len(joined) - len(common),
        figures=[_figure(name, a, b) for name in names if name not in (*_COSTS, *_NOT_SHOWN)],
        costs=[_figure(name, a, b) for name in _COSTS if name in names],
        classes=[] if is_regression else compare_classes(a.task, actual_N, a_N, b_N, rules),
        broken=[flip for flip in flips if flip.a == flip.label],
        mended=[flip for flip in flips if flip.b == flip.label],
        hardware=hardware,
        settings=settings,
        settings_unknown=unknown,
        warnings=_warn(a, b, len(common), len(joined), hardware),
    )


def render_side_by_side(found: SideBySide) -> str:
    """One self-contained page without a script; every text that is not ours is escaped."""
    templates = environment(autoescape=True)
    templates.filters |= {"cost": say_cost, "figure": say_figure, "p": say_p, "ratio": say_ratio}
    return templates.get_template("side_by_side.html.j2").render(found=found)


def say_figure(value: float, sign: str = "") -> str:
    """Four digits after the point; with `sign="+"` that of a difference."""
    return format(value, f"{sign}.4f" if abs(value) < 1000 else f"{sign},.1f")


def say_cost(value: float, name: str) -> str:
    """A cost with its unit, which its name ends with."""
    for end, unit in (("_mb", " MB"), ("_ms", " ms"), ("_per_s", " a second")):
        if name.endswith(end):
            return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"
    return f"{value:,.0f}"


def say_ratio(before: float, after: float) -> str:
    """`0.25x`, how many times as much; empty where there is nothing to divide by."""
    return f"{after / before:.2f}x" if before else ""


def _check_answers(a: Measured, b: Measured) -> None:
    if a.task != b.task:
        raise NotComparable(
            f"{a.title} has the task {a.task} and {b.title} {b.task}: their answers are of another kind, and so are "
            "their figures. Compare models of one task."
        )
    ours, theirs = set(a.report["labels"]), set(b.report["labels"])
    if ours != theirs:
        only_a, only_b = (", ".join(sorted(labels)) or "nothing" for labels in (ours - theirs, theirs - ours))
        raise NotComparable(
            f"{a.title} and {b.title} know other labels: only the first has {only_a}, only the second {only_b}. Their "
            "figures are about other questions. Compare models that were trained on the same labels."
        )


def _figure(name: str, a: Measured, b: Measured) -> Figure:
    return Figure(name, a.metrics[name], b.metrics[name], _interval(a, name), _interval(b, name))


def _interval(measured: Measured, name: str) -> tuple[float, float] | None:
    found = measured.report["intervals"].get(name)
    return found and (found["low"], found["high"])


def _find_flips(common: pd.DataFrame) -> list[Flip]:
    columns = common[["label_a", "predicted_a", "predicted_b"]]
    flips = [Flip(str(row[0]), *map(str, row[1:])) for row in columns.itertuples(name=None)]
    return [flip for flip in flips if flip.a != flip.b and flip.label in (flip.a, flip.b)]


def _warn(a: Measured, b: Measured, num_common: int, num_joined: int, hardware: Sequence[Change]) -> list[str]:
    found = []
    if hardware:
        names = ", ".join(change.name for change in hardware)
        found.append(f"They were timed on different machines or versions ({names}): their speeds cannot be compared.")
    threads = [one.report["settings"]["latency_threads"] for one in (a, b)]
    if threads[0] != threads[1]:
        found.append(f"A was timed with {threads[0]} threads, B with {threads[1]}: their speeds cannot be compared.")
    if num_common < FEWEST_DOCUMENTS:
        found.append(f"Only {num_common} documents are common: no verdict on so few means much.")
    if left_out := max(len(a.answers), len(b.answers)) - num_joined:
        found.append(
            f"The test splits differ, by up to {left_out:,} documents: the figures of each are on its own split, the "
            "difference, classes and flips on what is common."
        )
    if num_joined > num_common:
        found.append(f"{num_joined - num_common:,} documents have another label now; they are left out.")
    if a.report["bundle_sha256"] == b.report["bundle_sha256"]:
        found.append("Both are the same bundle.")
    return found
