"""How `textmill study` shows a study on a terminal."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from textmill.reporting.search_page import say_value, tell_note
from textmill.tasks import name_objective

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import StudySummary

BAR_WIDTH = 24
_STYLES = {"complete": "green", "pruned": "yellow", "fail": "red", "running": "cyan", "waiting": "dim"}
_WORDS = {"fail": "failed"}


def show_study(record: Mapping[str, Any], *, top: int | None = None, num_last: int | None = None) -> None:
    """Print a study.

    Args:
        record: see `search.describe.describe_study`, with best (number), outlook (sentence), storage (url), num_trials,
            task, and pinned (keys); each but the storage may be None.
        top: the number of trials to show, the best first.
        num_last: how many to show otherwise; None for all.
    """
    console = Console(highlight=False)
    figure = name_objective(record["objectives"][0], record["task"])
    trials = [trial for trial in record["trials"] if trial["values"] or trial["state"] in ("running", "waiting")]
    console.print(Text.assemble((_clean(record["study"]), "bold"), f": {_tell_counts(trials, record['num_trials'])}"))
    console.print()
    shown = _pick(trials, record["directions"][0], top, num_last)
    console.print(_table(shown, record, figure))
    if len(shown) < len(trials):
        console.print(f"{len(trials) - len(shown)} more trials; --all shows them.", style="dim")
    _show_running(console, trials)
    _show_best(console, trials, record, figure)
    _show_importances(console, record["importances"])
    if record["outlook"]:
        console.print(Text(_clean(record["outlook"])))
    console.print()
    console.print(Text(dashboard_command(record["storage"])), style="dim", soft_wrap=True)


def show_list(summaries: "Sequence[StudySummary]", storage: "BaseStorage", url: str) -> None:
    """Print the studies of a storage, the newest first."""
    from textmill.search.storage_errors import hide_password

    console = Console(highlight=False)
    if not summaries:
        console.print(Text(f"No studies in {hide_password(url)} yet: `dvc repro tune` or `textmill tune` makes one."))
        return
    table = _new_table(("study", "left"), ("trials", "right"), ("finished", "right"), ("started", "left"))
    for summary in sorted(summaries, key=lambda one: str(one.datetime_start or ""), reverse=True):
        trials = storage.get_all_trials(summary._study_id, deepcopy=False)
        finished = sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in trials)
        started = f"{summary.datetime_start:%Y-%m-%d %H:%M}" if summary.datetime_start else "-"
        table.add_row(Text(_clean(summary.study_name), style="bold"), str(len(trials)), str(finished), started)
    console.print(table)
    console.print("`textmill study` shows the one that params.yaml asks for, --name another.", style="dim")


def dashboard_command(url: str) -> str:
    """How to open the study in a browser; passwords are masked."""
    from textmill.search.storage_errors import hide_password

    shown = hide_password(url)
    if url.startswith("journal:///"):
        file = shlex.quote(url.removeprefix("journal:///"))
        return f"In a browser: optuna-dashboard {file} --storage-class JournalFileStorage"
    if url.startswith("grpc:"):
        return "In a browser: optuna-dashboard URL, with the url of the database that the proxy serves"
    masked = "; put the password for ***" if shown != url else ""
    return f"In a browser: optuna-dashboard {shlex.quote(shown)}{masked}"


def _tell_counts(trials: Sequence[Mapping[str, Any]], wanted: int | None) -> str:
    states = [trial["state"] for trial in trials]
    finished = states.count("complete") + states.count("pruned")
    parts = [f"{finished}{f' of {wanted}' if wanted else ''} trials finished"]
    for state in ("pruned", "fail", "running", "waiting"):
        if count := states.count(state):
            parts.append(f"{count} {_WORDS.get(state, state)}")
    return ", ".join(parts)


def _pick(trials: list[dict[str, Any]], direction: str, top: int | None, num_last: int | None) -> list[dict[str, Any]]:
    if top is not None:
        scored = [trial for trial in trials if trial["state"] == "complete"]
        return sorted(scored, key=lambda trial: trial["score"], reverse=direction == "maximize")[:top]
    return trials if num_last is None else trials[-num_last:]


def _table(trials: Sequence[Mapping[str, Any]], record: Mapping[str, Any], figure: str) -> Table:
    others = record["objectives"][1:]
    table = _new_table(
        ("trial", "right"),
        ("state", "left"),
        (figure, "right"),
        *((name, "right") for name in others),
        ("epochs", "right"),
        ("seconds", "right"),
    )
    table.add_column("values", ratio=2, overflow="fold")
    table.add_column("note", ratio=1, overflow="fold")
    for trial in trials:
        best = trial["number"] == record["best"]
        table.add_row(
            str(trial["number"]),
            Text(_WORDS.get(trial["state"], trial["state"]), style=_STYLES[trial["state"]]),
            _figure(trial["score"]),
            *(_figure(trial["figures"].get(name)) for name in others),
            "-" if trial["epochs"] is None else f"{trial['epochs']:.3g}",
            "-" if trial["seconds"] is None else f"{trial['seconds']:.1f}",
            Text(_tell_values(trial["values"], record["pinned"])),
            Text(
                _clean(("best; " if best and tell_note(trial) else "best" if best else "") + tell_note(trial)),
                style="bold green" if best else "",
            ),
            style="bold" if best else "",
        )
    return table


def _show_running(console: Console, trials: Sequence[Mapping[str, Any]]) -> None:
    for trial in trials:
        if trial["state"] == "running":
            told = f"Trial {trial['number']} runs"
            if trial["worker"]:
                told += f" in {trial['worker']}"
            if trial["started"]:
                started = datetime.fromisoformat(trial["started"])
                minutes = (datetime.now(UTC) - started).total_seconds() / 60
                told += f" since {started.astimezone():%H:%M:%S} ({minutes:.1f} min)"
            if trial["reports"]:
                told += f", last report {trial['reports'][-1][1]:.4f} (number {trial['reports'][-1][0]})"
            console.print(Text(_clean(told), style="cyan"))


def _show_best(console: Console, trials: Sequence[Mapping[str, Any]], record: Mapping[str, Any], figure: str) -> None:
    console.print()
    found = [trial for trial in trials if trial["number"] == record["best"]]
    if not found:
        console.print("No trial has run to its end and kept the constraints yet.")
        return
    (best,) = found
    words = {record["objectives"][0]: figure}
    told = ", ".join(f"{words.get(name, name)} {say_value(value)}" for name, value in best["figures"].items())
    console.print(Text.assemble((f"Best: trial {best['number']}", "bold green"), f", {told}"))
    for name, value in best["values"].items():
        pinned = " (pinned by tune.fixed)" if name in record["pinned"] else ""
        console.print(Text(_clean(f"  {name}: {say_value(value)}{pinned}")))
    console.print()


def _show_importances(console: Console, importances: Mapping[str, Any]) -> None:
    shares = importances["shares"]
    if shares:
        console.print("Importance: share of the score's variance that a key explains, by fANOVA")
        width = max(map(len, shares))
        for name, share in shares.items():
            bar = "█" * round(BAR_WIDTH * share)
            console.print(Text.assemble(f"  {_clean(name):<{width}} {share:5.0%} ", (bar, "cyan")))
    if importances["note"]:
        console.print(Text(f"Importances: {_clean(importances['note'])}", style="dim"))
    console.print()


def _new_table(*columns: tuple[str, Literal["left", "right"]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading, justify in columns:
        table.add_column(Text(_clean(heading)), justify=justify, no_wrap=True)
    return table


def _tell_values(values: Mapping[str, Any], pinned: Sequence[str]) -> str:
    """Those that were searched; the last part of a dotted key is enough beside the best one's full names."""
    return _clean("  ".join(f"{k.rpartition('.')[2]} {say_value(v)}" for k, v in values.items() if k not in pinned))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _clean(text: str) -> str:
    """Without characters that move the cursor or change the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
