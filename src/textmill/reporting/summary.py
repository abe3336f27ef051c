"""What a run made, in a few lines for the terminal."""

from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from textmill.config import Params
from textmill.paths import Paths
from textmill.reporting.data_story import read_data_story
from textmill.reporting.facts import Facts, gather
from textmill.reporting.training_story import read_training_story
from textmill.reporting.wording import say_ms, say_size

_MOVIES, _NEWS = "movie-reviews", "bbc-news"
_EXAMPLES = {_MOVIES: "This is a great movie!", _NEWS: "Shares rose after the bank raised its profit forecast."}


def show(params: Params, paths: Paths, aliases: dict[str, int] | None = None, console: Console | None = None) -> None:
    """Print the summary.

    Args:
        aliases: version by alias as the registry has it now, for someone may have promoted since the last run; None
            where it cannot be asked.

    Raises: MissingArtifact: a stage has not run.
    """
    console = console or Console(highlight=False)
    facts = gather(params, paths)
    if aliases is not None:
        now = {f"{alias}_version": aliases.get(alias) for alias in ("champion", "challenger")}
        facts = replace(facts, registration={**facts.registration, **now})
    console.print()
    table = _table(facts)
    for told in read_training_story(paths)["repeats"]:
        table.add_row(told["title"].lower(), f"{facts.figure} on {told['on']} {told['mean']:.3f} ± {told['std']:.3f}")
    for name, reason in facts.skipped.items():
        table.add_row("skipped", Text(f"{name}: {reason}"))
    table.add_row("data", _data(read_data_story(paths)))
    console.print(Panel(table, title=Text(params.project, style="bold"), title_align="left", expand=False))
    console.print(Text(facts.comparison.sentence, style="green" if facts.comparison.verdict == "better" else "yellow"))
    if paths.page.exists():
        console.print(Text(f"The whole story: {paths.page.relative_to(paths.root)}"))
    console.print(Text("\nNext:", style="bold"))
    for command in next_commands(facts):
        console.print(Text(f"  {command}", style="cyan"), soft_wrap=True)


def _table(facts: Facts) -> Table:
    chosen, report = facts.chosen, facts.report
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    interval = f"{chosen['score_low']:.3f} to {chosen['score_high']:.3f} with {report['confidence']:.0%} confidence"
    full = next(row for row in facts.models if row["name"] == "full")
    smaller = "" if chosen is full else f", full has {say_size(full['size_mb'])}"
    table.add_row("chosen", Text(chosen["name"], style="bold"))
    table.add_row(
        facts.figure, Text(f"{chosen['score']:.3f} on {chosen['num_documents']:,} test documents, {interval}")
    )
    table.add_row("size", f"{say_size(chosen['size_mb'])}{smaller}")
    table.add_row("latency", f"{say_ms(chosen['latency_p50_ms'])} a text, p95 {say_ms(chosen['latency_p95_ms'])}")
    table.add_row("gate", _gate(facts))
    return table


def _data(story: dict[str, Any]) -> Text:
    clean, total, failed = story["clean"], story["contract"]["num_expectations"], story["failed"]
    text = Text(
        f"{clean['kept']:,} of {clean['ingested']:,} rows kept, "
        f"{total - len(failed)} of {total} expectations of the contract met"
    )
    warnings = "".join(f"\nnote: {row['description']}: found {row['observed']}" for row in failed)
    return text.append(warnings, style="yellow")


def _gate(facts: Facts) -> Text:
    gate = facts.registration["gate"]
    place = f"version {facts.version} is {facts.alias or 'registered without an alias'}"
    if not gate["passed"]:
        return Text(f"refused, {place}: " + "; ".join(gate["reasons"]), style="red")
    text = Text(f"passed, {place}", style="green")
    return text.append("".join(f"\nnote: {warning}" for warning in gate["warnings"]), style="yellow")


def next_commands(facts: Facts) -> list[str]:
    """Three commands that work as they stand, from the repository root with the environment active."""
    project = facts.params.project
    example = _EXAMPLES.get(project, "A text to label.")
    # Without a champion there is nothing that a bare `predict` could ask.
    model = "" if facts.registration["champion_version"] else f"--model {project}@{facts.version} "
    other = _MOVIES if project == _NEWS else _NEWS
    last = "textmill promote" if facts.alias == "challenger" else f"textmill use {other} && dvc repro"
    return [f'textmill predict {model}"{example}"', "mlflow ui", last]
