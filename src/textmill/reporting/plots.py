"""Plots as inline SVG that takes its colours from the page, so that one picture fits light and dark."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Matplotlib wants real colours; each of these becomes a CSS variable of the page.
INK, MUTED, GRID, ACCENT, SECOND, GOOD, BAD = (
    "#010101",
    "#020202",
    "#030303",
    "#040404",
    "#050505",
    "#060606",
    "#070707",
)
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    ACCENT: "--accent",
    SECOND: "--second",
    GOOD: "--good",
    BAD: "--bad",
}
_LINE = 11  # pixels between two names
_MOST_DOTS = 800  # each costs 100 bytes of the page
_SIZE = (4.6, 3.1)  # inches of 72 px: as wide as a phone, so that text keeps its size there


def learning_curves(curves: pd.DataFrame, score: str) -> Markup:
    """Losses and validation score over epochs; `curves` is models/trained/curves.csv, `score` what it is in words."""
    with _figure("Learning curves") as (figure, axes):
        epochs = curves["epoch"]
        axes.plot(epochs, curves["train_loss"], color=MUTED, marker="o", ms=3, lw=1.6, label="train loss")
        axes.plot(epochs, curves["validation_loss"], color=SECOND, marker="o", ms=3, lw=1.6, label="validation loss")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.set_xticks(list(epochs))
        right = axes.twinx()
        right.plot(epochs, curves["validation_score"], color=ACCENT, marker="o", ms=4, lw=2, label=score)
        right.set_ylabel(f"{score} on validation", color=ACCENT)
        _style(right, grid=False)
        _legend(figure)
    return _svg(figure)


def trials(search: dict[str, Any], score: str) -> Markup:
    """Score of each trial by its number, and the best so far; `search` is models/search/study.json."""
    from matplotlib.ticker import MaxNLocator

    scored = [trial for trial in search["trials"] if trial["score"] is not None]
    complete = [trial for trial in scored if trial["state"] == "complete"]
    best = pd.Series([trial["score"] for trial in complete], dtype=float)
    best = best.cummin() if search["directions"][0] == "minimize" else best.cummax()
    with _figure("Search") as (figure, axes):
        axes.step(
            [trial["number"] for trial in complete], best, where="post", color=ACCENT, lw=1.6, label="best so far"
        )
        for state, colour in (("complete", ACCENT), ("pruned", MUTED)):
            points = [(trial["number"], trial["score"]) for trial in scored if trial["state"] == state]
            if points:
                axes.scatter([n for n, _ in points], [s for _, s in points], 26, color=colour, label=state, zorder=3)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{score} on validation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure)
    return _svg(figure)


def pareto(
    candidates: list[dict[str, Any]], chosen: str, score: str, cost: str, label: str, limit: float | None
) -> Markup:
    """The score against a cost, size or latency; the budget's limit as a dashed line."""
    with _figure(f"{score} against {label}") as (figure, axes):
        front = sorted((row[cost], row["score"]) for row in candidates if row["on_pareto_front"])
        axes.plot(*zip(*front, strict=True), color=GRID, lw=6, solid_capstyle="round", zorder=1)
        for row in candidates:
            mine = row["name"] == chosen
            colour = ACCENT if mine else MUTED if row["is_baseline"] else INK
            axes.scatter(row[cost], row["score"], color=colour, s=70 if mine else 34, zorder=3)
        axes.set_xscale("log")
        axes.margins(0.24, 0.16)
        if limit is not None:
            axes.axvline(limit, color=BAD, lw=1, ls=(0, (4, 3)))
            axes.annotate(" budget", (limit, 1), xycoords=("data", "axes fraction"), color=BAD, fontsize=8, va="top")
        axes.set_xlabel(f"{label}, logarithmic")
        axes.set_ylabel(f"{score} on validation")
        _plain_ticks(axes)
        _name_points(axes, candidates, chosen, cost)
    return _svg(figure)


def _name_points(axes: "Axes", candidates: list[dict[str, Any]], chosen: str, cost: str) -> None:
    """Names left of their points (the leftmost one's right), pushed apart where they would overlap."""
    leftmost = min(candidates, key=lambda row: float(row[cost]))
    occupied = float("-inf")
    for row in sorted(candidates, key=lambda row: float(row["score"])):
        point = row[cost], row["score"]
        height = float(axes.transData.transform(point)[1])
        if row is not leftmost:
            occupied = max(height, occupied + _LINE)
        axes.annotate(
            "TF-IDF" if row["is_baseline"] else row["name"],
            point,
            textcoords="offset pixels",
            xytext=(10, 0) if row is leftmost else (-10, occupied - height),
            ha="left" if row is leftmost else "right",
            va="center",
            fontsize=8.5,
            color=ACCENT if row["name"] == chosen else INK,
            fontweight="bold" if row["name"] == chosen else "normal",
        )


def calibration(bins: list[dict[str, Any]]) -> Markup:
    """Accuracy against confidence, dot size by documents; on the diagonal a probability means what it says."""
    with _figure("Calibration") as (figure, axes):
        axes.plot([0, 1], [0, 1], color=GRID, lw=1.5, ls=(0, (4, 3)))
        table = pd.DataFrame(bins)
        sizes = 12 + 220 * table["count"] / table["count"].max()
        axes.plot(table["mean_confidence"], table["accuracy"], color=ACCENT, lw=1.2)
        axes.scatter(table["mean_confidence"], table["accuracy"], s=sizes, color=ACCENT, alpha=0.75, lw=0, zorder=3)
        low = max(0.0, float(table["mean_confidence"].min()) - 0.08)
        axes.set_xlim(low, 1.03)
        axes.set_ylim(min(low, float(table["accuracy"].min()) - 0.05), 1.05)
        axes.set_xlabel("confidence")
        axes.set_ylabel("share that is right")
    return _svg(figure)


def values(pairs: pd.DataFrame, bins: list[dict[str, Any]]) -> Markup:
    """Actual against predicted numbers, and their means in bins; on the dashed line they are equal."""
    shown = pairs.sample(min(len(pairs), _MOST_DOTS), random_state=0)
    with _figure("Actual against predicted") as (figure, axes):
        ends = [float(pairs.to_numpy().min()), float(pairs.to_numpy().max())]
        axes.plot(ends, ends, color=GRID, lw=1.5, ls=(0, (4, 3)))
        axes.scatter(shown["predicted"], shown["actual"], s=9, color=MUTED, alpha=0.45, lw=0, label="document")
        table = pd.DataFrame(bins)
        axes.plot(table["confidence"], table["accuracy"], color=ACCENT, marker="o", ms=4, lw=1.6, label="mean of a bin")
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
        _legend(figure)
    return _svg(figure)


@contextmanager
def _figure(title: str) -> Iterator[tuple["Figure", "Axes"]]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.family": "sans-serif", "font.size": 9.5}):
        figure = Figure(figsize=_SIZE, dpi=72, layout="constrained")
        figure.set_gid(title)
        axes = figure.add_subplot()
        _style(axes)
        yield figure, axes


def _style(axes: "Axes", *, grid: bool = True) -> None:
    axes.patch.set_visible(False)
    axes.figure.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", colors=MUTED, length=0)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    if grid:
        axes.grid(color=GRID, lw=0.8)
        axes.set_axisbelow(True)


def _plain_ticks(axes: "Axes") -> None:
    """Few ticks, as numbers that people write: 0.5, 2, 20."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(figure: "Figure") -> None:
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=INK, fontsize=8.5, handlelength=1.4)


def _svg(figure: "Figure") -> Markup:
    from matplotlib import rc_context

    title = str(figure.get_gid())
    with io.StringIO() as buffer, rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-label="{title}" \1>', text, count=1)
    return Markup(text)  # Matplotlib has escaped the names of models in it
