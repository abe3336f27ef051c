"""How `textmill report --compare` shows two models on a terminal."""

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from textmill.reporting.changes import Change
from textmill.reporting.side_by_side import SideBySide, say_cost, say_figure, say_ratio
from textmill.reporting.templating import say_p

NUM_CLASSES = 10
NUM_SETTINGS = 20
FIGURES = (  # that people ask for; the page has all
    *("f1_macro", "accuracy", "subset_accuracy", "balanced_accuracy", "log_loss", "r2", "rmse", "mae"),
    *("ece", "robustness_drop"),
)
_ORIGINS = {"recipe": None, "folder": None, "run": 8, "git commit": 8}  # and how many characters tell one from another
_TONES = {"better": "green", "worse": "red", "equivalent": "green", "not decided": "yellow"}


def show_side_by_side(found: SideBySide, console: Console | None = None) -> None:
    """Print what `put_side_by_side` found."""
    console = console or Console(highlight=False)
    for side, one in (("A", found.a), ("B", found.b)):
        told = [f"{name} {one.origin[name][:length]}" for name, length in _ORIGINS.items() if name in one.origin]
        origin = "  ".join(told)
        console.print(Text.assemble((f"{side}  ", "dim"), (_clean(one.title), "bold"), (f"  {_clean(origin)}", "dim")))
    console.print()
    console.print(Text(found.sentence, style=_TONES[found.pair.verdict]))
    console.print(Text(_tell_documents(found)))
    for warning in found.warnings:
        console.print(Text(f"note: {_clean(warning)}", style="yellow"))
    console.print()
    console.print(_figures(found))
    if not found.hardware:
        hardware = found.a.report["hardware"]
        machine = f"Timed on {hardware['cpu']}, {hardware['cores']} cores, onnxruntime {hardware['onnxruntime']}."
        console.print(_text(machine), style="dim")
    if left_out := len(found.figures) - sum(row.name in FIGURES for row in found.figures):
        _tell_more(console, left_out, "figures")
    if found.classes:
        console.print()
        console.print(_classes(found))
        if len(found.classes) > NUM_CLASSES:
            _tell_more(console, len(found.classes) - NUM_CLASSES, "classes")
    for title, changes in (("hardware", found.hardware), ("setting", found.settings)):
        if changes:
            console.print()
            console.print(_changes(title, changes[:NUM_SETTINGS]))
            if len(changes) > NUM_SETTINGS:
                _tell_more(console, len(changes) - NUM_SETTINGS, "settings")
    if found.settings_unknown:
        console.print()
        console.print(_text(f"How this was made is unknown: {', '.join(found.settings_unknown)}."), style="dim")


def _tell_documents(found: SideBySide) -> str:
    pair = found.pair
    sure = "for sure" if pair.non_inferior else "not for sure"
    margin = f"no worse by {100 * found.rules.margin:g} points: {sure}"
    if found.task == "regression":
        assert pair.wilcoxon_p is not None
        return (
            f"Nearer: B {pair.a_nearer:,} times, A {pair.b_nearer:,} times (Wilcoxon {say_p(pair.wilcoxon_p)}); "
            f"{say_p(pair.p_bootstrap)} by bootstrap; {margin}."
        )
    assert pair.mcnemar_p is not None and pair.flips is not None
    return (
        f"{pair.only_a_right:,} mended, {pair.only_b_right:,} broken, {pair.flips:,} answered differently (McNemar "
        f"{say_p(pair.mcnemar_p)}); {say_p(pair.p_bootstrap)} by bootstrap; {margin}."
    )


def _figures(found: SideBySide) -> Table:
    table = _new_table(("", "left"), ("A", "right"), ("B", "right"), ("B - A", "right"))
    for row in found.figures:
        if row.name not in FIGURES:
            continue
        cells = (_cell(row.a, row.interval_a), _cell(row.b, row.interval_b), say_figure(row.b - row.a, "+"))
        table.add_row(*map(_text, (row.name, *cells)))
    for row in found.costs:
        cells = (say_cost(row.a, row.name), say_cost(row.b, row.name), say_ratio(row.a, row.b))
        table.add_row(*map(_text, (row.name, *cells)))
    return table


def _cell(value: float, interval: tuple[float, float] | None) -> str:
    return say_figure(value) + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _classes(found: SideBySide) -> Table:
    noun = "label" if found.task == "multi_label" else "class"
    table = _new_table(
        (noun, "left"),
        ("documents", "right"),
        ("F1 of A", "right"),
        ("of B", "right"),
        ("B - A", "right"),
        ("", "left"),
    )
    for row in found.classes[:NUM_CLASSES]:
        is_sure = row.p_adjusted < 1 - found.rules.confidence
        cells = (say_figure(row.f1_a), say_figure(row.f1_b), say_figure(row.difference, "+"))
        interval = f"[{row.low:+.3f}, {row.high:+.3f}]" + (" *" if is_sure else "")
        style = "" if not is_sure else "green" if row.difference > 0 else "red"
        table.add_row(*map(_text, (row.label, f"{row.num_documents:,}", *cells, interval)), style=style)
    return table


def _changes(title: str, changes: Sequence[Change]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in (title, "A", "B"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        table.add_row(*map(_text, (change.name, change.a, change.b)))
    return table


def _tell_more(console: Console, number: int, noun: str) -> None:
    console.print(f"and {number} more {noun}; --output FILE.html shows all.", style="dim")


def _new_table(*columns: tuple[str, Literal["left", "right"]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading, justify in columns:
        table.add_column(heading, justify=justify, no_wrap=True)
    return table


def _text(text: str) -> Text:
    """Square brackets are no markup."""
    return Text(_clean(text))


def _clean(text: str) -> str:
    """Without characters that move the cursor or change the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
