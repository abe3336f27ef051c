"""The command that shows what went to quarantine, and why: quarantine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textmill.cli.app import app

if TYPE_CHECKING:
    from rich.text import Text

_SHOWN = 160  # characters of a text


@app.command()
def quarantine(
    reason: Annotated[str | None, typer.Option("--reason", help="Rows of one reason only.")] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Rows to show of each reason.", metavar="N")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the rows to a .csv, .jsonl or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Counts and examples as JSON.")] = False,
) -> None:
    """Show what went to quarantine: how many rows for which reason, what helps, and examples.

    A duplicate is shown with the document that stays in its place. Rows that --output writes are whole, as they were
    found.

    \b
    Examples:
      textmill quarantine
      textmill quarantine --reason near_duplicate --examples 20
      textmill quarantine --reason conflicting_labels --output conflicts.csv
      textmill quarantine --json
    """
    from textmill.artifacts import read_json
    from textmill.data.quarantine.reading import check_reason, count_reasons, find_examples, write_rows
    from textmill.paths import Paths

    paths = Paths.here()
    check_reason(reason)
    if output is not None:
        typer.echo(f"{write_rows(paths.quarantine, output, reason)} rows in {output}")
        return
    summary = read_json(paths.clean_summary)
    counts = count_reasons(paths.quarantine)
    shown = {name: count for name, count in counts.items() if reason in (None, name)}
    found = find_examples(paths.quarantine, paths.clean_documents, reason, examples)
    if as_json:
        _print_json(summary, shown, found)
        return
    if not shown:
        what = "Nothing is in quarantine" if reason is None else f"No row is in quarantine for {reason}"
        typer.echo(f"{what}: {summary['kept']} of {summary['ingested']} rows were kept.")
        return
    _print_table(summary, shown, found)


def _print_json(summary: dict[str, Any], counts: dict[str, int], examples: dict[str, list[dict[str, Any]]]) -> None:
    import json

    from textmill.data.quarantine.reasons import REASONS

    reasons = {
        name: {
            "rows": count,
            "meaning": REASONS[name].meaning,
            "advice": REASONS[name].advice,
            "examples": examples.get(name, []),
        }
        for name, count in counts.items()
    }
    totals = {name: summary[name] for name in ("ingested", "kept", "quarantined")}
    typer.echo(json.dumps({**totals, "reasons": reasons}, indent=2, ensure_ascii=True))


def _print_table(summary: dict[str, Any], counts: dict[str, int], examples: dict[str, list[dict[str, Any]]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from textmill.data.quarantine.reasons import REASONS

    console = Console(highlight=False)
    share = summary["quarantined"] / max(summary["ingested"], 1)
    console.print(f"{summary['quarantined']} of {summary['ingested']} rows are in quarantine ({share:.1%}).\n")
    table = Table(box=None, pad_edge=False)
    for column, justify in (("reason", "left"), ("rows", "right"), ("what helps", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for name, count in counts.items():
        table.add_row(name, str(count), REASONS[name].advice)
    console.print(table)
    for name, rows in examples.items():
        console.print(Text(f"\n{name}", style="bold").append(f"  {REASONS[name].meaning}", style="not bold"))
        for row in rows:
            start = _first_difference(row)
            console.print(_describe(row, start), soft_wrap=True)
            if "kept" in row:
                console.print(Text("    stays:").append_text(_describe(row["kept"], start)), soft_wrap=True)


def _first_difference(row: dict[str, Any]) -> int:
    """Where to begin to show a text, so that what it differs in from the one that stays can be seen."""
    one, other = (" ".join((text or "").split()) for text in (row["text"], row.get("kept", row)["text"]))
    differs = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return 0 if one == other else max(0, next(differs, min(len(one), len(other))) - _SHOWN // 3)


def _describe(row: dict[str, Any], start: int) -> "Text":
    from rich.text import Text

    label = "no label" if row["label"] is None else _printable(row["label"])
    line = Text("  ").append(label, style="cyan").append(f"  {_printable(row['origin'] or row['id'])}\n", style="dim")
    return line.append(f"      {_printable(row['text'] or '', start)}")


def _printable(text: str, start: int = 0) -> str:
    """One line, cut short; whatever a terminal would act upon is written out, such as \\x1b."""
    line = " ".join(text.split())
    line = f"…{line[start + 1 :]}" if start else line
    line = line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in line
    )
