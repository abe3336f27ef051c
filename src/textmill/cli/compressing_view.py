"""How `textmill compress` shows a search on a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from textmill.tasks import Task, name_objective

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from textmill.evaluation.selection import Budget

_FULL = "full"


def tell_budget(budget: "Budget | Mapping[str, Any]", task: Task | None, figure: str = "") -> str:
    """The limits in words: at most 10 MB, at most 3 ms, at most 0.01 macro-F1 below full."""
    limits = budget if isinstance(budget, Mapping) else asdict(budget)
    figure = figure or name_objective("quality", task)
    units = {"max_size_mb": "MB", "max_latency_ms": "ms", "max_drop": f"{figure} below {_FULL}"}
    told = [f"at most {limits[name]:g} {unit}" for name, unit in units.items() if limits[name] is not None]
    return ", ".join(told) or "no limits"


class Lines:
    """A line for each trial that has ended."""

    def __init__(self, num_trials: int, task: Task):
        self.num_trials, self.figure = num_trials, name_objective("quality", task)

    def show(self, trial: "FrozenTrial", trials: "Sequence[FrozenTrial]") -> None:
        """Args:
        trials: all of the study.
        """
        from textmill.budget_search.run import count_finished
        from textmill.search.progress import say_seconds, time_left

        left = time_left(trials, self.num_trials, datetime.now())
        remaining = f", about {say_seconds(left)} left" if left else ""
        print(f"{self._tell(trial)} | {count_finished(list(trials))}/{self.num_trials} trials{remaining}", flush=True)

    def _tell(self, trial: "FrozenTrial") -> str:
        from textmill.budget_search.space import RECIPE
        from textmill.search.liveness import ERROR, STOPPED
        from textmill.search.progress import say_seconds
        from textmill.search.work import COPY_OF

        told = f"trial {trial.number}: {trial.params.get(RECIPE, '')}"
        if reason := trial.user_attrs.get(ERROR) or trial.user_attrs.get(STOPPED):
            return f"{told}: failed, {reason}"
        quality, size, latency = trial.values
        kept = "within" if all(one <= 0 for one in trial.constraints.values()) else "over"
        told += f": {self.figure} {quality:.4f}, {size:.1f} MB, {latency:.2f} ms, {kept} the budget"
        if COPY_OF in trial.user_attrs:
            return f"{told}, as trial {trial.user_attrs[COPY_OF]}, which was the same"
        return f"{told}, in {say_seconds(trial.duration.total_seconds())}" if trial.duration else told


def show_search(record: Mapping[str, Any]) -> None:
    """Print the Pareto front, the full model and the choice.

    Args:
        record: see `budget_search.report.describe`.
    """
    console = Console(highlight=False)
    recipes = {str(trial["number"]): trial for trial in record["trials"]}
    shown = [row for row in record["candidates"] if row["on_pareto_front"] or row["name"] in (_FULL, record["chosen"])]
    shown.sort(key=lambda row: row["size_mb"])
    table = _new_table(
        ("trial", "right"),
        ("recipe", "left"),
        (record["figure"], "right"),
        ("lost", "right"),
        ("MB", "right"),
        ("ms", "right"),
    )
    table.add_column("", overflow="fold")
    for row in shown:
        is_chosen = row["name"] == record["chosen"]
        table.add_row(
            row["name"],
            "the full model" if row["name"] == _FULL else recipes[row["name"]]["recipe"],
            f"{row['score']:.4f}",
            f"{row['drop']:+.4f}",
            f"{row['size_mb']:.2f}",
            f"{row['latency_p50_ms']:.2f}",
            Text("the choice" if is_chosen else _tell_broken(row), style="bold green" if is_chosen else "dim"),
            style="bold" if is_chosen else "",
        )
    num_made = len(record["candidates"]) - 1
    console.print()
    console.print(
        f"Pareto front of {num_made} {'recipe' if num_made == 1 else 'recipes'} on validation, "
        f"{tell_budget(record['budget'], None, record['figure'])}; {record['threads']} thread(s) of "
        f"{record['hardware']['cpu']}:"
    )
    console.print(table)
    _show_choice(console, record, recipes)


def _tell_broken(row: Mapping[str, Any]) -> str:
    """The limits that a candidate breaks, without its figures, which stand beside."""
    broken = [reason.partition(", above ")[2] for reason in row["reasons"]]
    return f"above {', '.join(broken)}" if broken else ""


def _show_choice(console: Console, record: Mapping[str, Any], recipes: Mapping[str, Any]) -> None:
    if record["chosen"] == _FULL:
        console.print("The full model keeps the budget itself, and is preferred by " + record["prefer"] + ".")
    elif record["chosen"] is not None:
        trial = recipes[record["chosen"]]
        console.print(Text.assemble((f"The choice: trial {trial['number']}, {trial['recipe']}", "bold green")))
        for step in trial["steps"]:
            console.print(Text(f"  {_tell_step(step)}"), soft_wrap=True)
        console.print("`textmill compress adopt` writes it into params.yaml.")


def _tell_step(step: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key}: {_tell_value(value)}" for key, value in step.items() if key != "method")
    return f"{step['method']} {{{rest}}}" if rest else str(step["method"])


def _tell_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_tell_value(one)}" for key, one in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _new_table(*columns: tuple[str, Literal["left", "right"]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading, justify in columns:
        table.add_column(Text(heading), justify=justify, no_wrap=True)
    return table
