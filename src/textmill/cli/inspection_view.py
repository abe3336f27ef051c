"""How `textmill inspect` shows its facts on a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

TOP_LABELS = 20
BAR_WIDTH = 20
MAX_COLUMNS = 40
MAX_NAME_WIDTH = 24
MIN_EXAMPLE_WIDTH = 12
MAX_LABEL_WIDTH = 36
MAX_LENGTHS = (32, 64, 128, 256, 512)  # most encoders take no more than 512 tokens
LAYOUTS = {
    "folder_per_class": "a folder per class",
    "delimited": "delimited text",
    "jsonl": "JSON Lines",
    "parquet": "Parquet",
    "orange_tab": "Orange .tab",
    "hf_folder": "a Hugging Face dataset folder",
}


def show(facts: Mapping[str, Any]) -> None:
    """Print what `inspect` found, and the YAML to paste."""
    console = Console(highlight=False)
    _show_files(console, facts)
    console.print(_columns(facts["columns"], console.width))
    if len(facts["columns"]) > MAX_COLUMNS:
        console.print(f"  and {len(facts['columns']) - MAX_COLUMNS} more columns (--json lists all)", style="dim")
    _show_guesses(console, facts)
    if "labels" in facts:
        _show_labels(console, facts)
        console.print(_lengths(facts["lengths"]))
        for line in _findings(facts):
            console.print(_plain(line))
    _show_blocks(console, facts)


def _show_files(console: Console, facts: Mapping[str, Any]) -> None:
    sources = facts["source"] if isinstance(facts["source"], dict) else {"": facts["source"]}
    for split, uri in sources.items():
        console.print(Text.assemble((f"{split}: " if split else "", "dim"), (_clean(uri), "bold")), soft_wrap=True)
    rows = sum(facts["rows"].values())
    first = f" (the first {facts['max_rows']:,} of each)" if facts["max_rows"] else ""
    console.print(
        f"{LAYOUTS.get(facts['layout'], facts['layout'])}, {_count(facts['files'], 'file')}, "
        f"{_size(facts['bytes'])}, {_count(rows, 'row')}{first}"
    )
    if facts["header"] is not None:
        console.print(_plain(f"{'with' if facts['header'] else 'without'} a header line: {facts['header_reason']}"))
    console.print()


def _columns(columns: list[Mapping[str, Any]], width: int) -> Table:
    """One line a column; the example takes what the others leave of `width`."""
    headings = ("column", "role", "type", "missing", "distinct", "words")
    rows = [
        (
            _cut(_clean(column["name"]), MAX_NAME_WIDTH),
            column["role"],
            column["type"],
            _share(column["missing_share"]),
            "many" if column["num_distinct"] is None else f"{column['num_distinct']:,}",
            f"{column['mean_words']:,.0f}",
        )
        for column in columns[:MAX_COLUMNS]
    ]
    taken = sum(max(map(cell_len, cells)) + 2 for cells in zip(headings, *rows, strict=True))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading in ("missing", "distinct", "words") else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    table.add_column("example", no_wrap=True)
    for column, cells in zip(columns, rows, strict=False):
        name = Text(cells[0], style="bold" if column["role"] in ("text", "label", "split") else "")
        example = Text(_cut(_clean(column["example"] or ""), max(MIN_EXAMPLE_WIDTH, width - taken)), style="dim")
        table.add_row(name, *cells[1:], example)
    return table


def _show_guesses(console: Console, facts: Mapping[str, Any]) -> None:
    console.print()
    for role in ("text", "label", "split"):
        guess = facts["guesses"][role]
        if guess is None and role == "split":
            continue
        said = f"{_clean(guess['column'])} ({_clean(guess['reason'])})" if guess else "no column looks like one"
        console.print(Text.assemble((f"{role}: ", "dim"), said))
    if len(facts.get("splits", {})) > 0:
        counts = ", ".join(f"{name} {count:,}" for name, count in facts["splits"].items())
        console.print(Text.assemble(("given splits: ", "dim"), counts))


def _show_labels(console: Console, facts: Mapping[str, Any]) -> None:
    labels = facts["labels"]
    if not labels:
        return
    most, is_several = max(labels.values()), facts["task"]["task"] == "multi_label"
    total = facts["num_documents"] if is_several else sum(labels.values())
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for label, count in list(labels.items())[:TOP_LABELS]:
        bar = "█" * max(1, round(BAR_WIDTH * count / most))
        table.add_row(
            Text(_cut(_clean(label), MAX_LABEL_WIDTH)), f"{count:,}", _share(count / total), Text(bar, style="cyan")
        )
    console.print()
    labelled = f"{total:,} documents, {facts['missing_labels']:,} without any" if is_several else None
    counted = _count(len(labels), "label") if is_several else _count(len(labels), "class", "classes")
    console.print(_plain(f"{counted}, {labelled or f'{total:,} labelled documents'}"))
    console.print(table)
    tail = list(labels.values())[TOP_LABELS:]
    if tail:
        console.print(
            f"and {_count(len(tail), 'class', 'classes')} more, of {tail[0]:,} down to {tail[-1]:,} documents"
            + ("" if is_several else f", together {_share(sum(tail) / total)}")
        )


def _lengths(lengths: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    for name in ("\ntexts", "\nmedian", "\n95 %", "\nlongest"):
        table.add_column(name, justify="left" if "texts" in name else "right")
    for name, row in lengths.items():
        what = "tokens, about" if name == "tokens" else name
        table.add_row(what, *(f"{row[key]:,}" for key in ("median", "p95", "longest")))
    return table


def _findings(facts: Mapping[str, Any]) -> Iterator[str]:
    """What else there is to know, a line each; what is as it should be is left out."""
    yield ""
    yield "scripts: " + ", ".join(f"{name} {_share(share)}" for name, share in list(facts["scripts"].items())[:6])
    found = facts["duplicates"]
    conflict = f"; {_count(found['conflicting'], 'text stands', 'texts stand')} under several labels"
    said = f"{_count(found['copies'], 'copy', 'copies')} of other documents{conflict if found['conflicting'] else ''}"
    yield f"duplicates: {said if found['copies'] else 'none'} (case and white space aside)"
    if found["across_splits"]:
        yield f"leaks: {_count(found['across_splits'], 'document')} of validation and test stand in another split, too"
    missing = [f"{facts[key]:,} without {word}" for key, word in _MISSING.items() if facts[key]]
    if missing:
        yield f"missing: documents {' and '.join(missing)}"
    if facts["re_encoded"]:
        encodings = sorted({file["encoding"] for file in facts["re_encoded"]})
        names = _listed([file["file"] for file in facts["re_encoded"]])
        yield f"encoding: not UTF-8 but {', '.join(encodings)}, and decoded so: {names}"
    for key, what in _DAMAGE.items():
        if facts[key]:
            yield f"{what}: in {_share(facts[key])} of the texts"
    if facts["not_read"]:
        yield f"not read: {_listed(facts['not_read'])}"


_MISSING = {"missing_texts": "a text", "missing_labels": "a label"}
_DAMAGE = {
    "mojibake_share": "mojibake (clean.repair_unicode mends it)",
    "html_share": "HTML (clean.html_to_text takes it out)",
    "email_share": "e-mail addresses (clean.mask_emails hides them)",
}


def _show_blocks(console: Console, facts: Mapping[str, Any]) -> None:
    console.print("\nPaste into params.yaml, in place of its section `data`:\n", style="bold green")
    _verbatim(console, facts["block"])
    console.print("And set these keys of other sections, whose other keys stay:\n", style="bold green")
    _verbatim(
        console, f"project: {facts['project']}\ntask: {facts['task']['task']}  # {_clean(facts['task']['reason'])}\n"
    )
    if facts["clean_block"]:
        _verbatim(console, facts["clean_block"])
    p95 = facts["lengths"]["tokens"]["p95"] if "lengths" in facts else 0
    enough = next((length for length in MAX_LENGTHS if length >= p95 + 2), MAX_LENGTHS[-1])
    if p95:
        _verbatim(
            console, f"tokenize:\n  max_length: {enough}  # 95 % of the texts have at most about {p95:,} tokens\n"
        )


def _verbatim(console: Console, text: str) -> None:
    """As it is, on lines as long as they need to be, so that it can be copied."""
    console.print(Text(text), soft_wrap=True)


def _plain(line: str) -> Text:
    return Text(_clean(line))


def _clean(text: str) -> str:
    """Without characters that move the cursor or change the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _cut(text: str, width: int) -> str:
    """As much of a text as fits into some columns of the terminal."""
    shown = Text(text)
    shown.truncate(width, overflow="ellipsis")
    return shown.plain


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _share(share: float) -> str:
    return "0 %" if not share else "< 0.1 %" if share < 0.001 else f"{100 * share:.3g} %"


def _count(count: int, word: str, several: str | None = None) -> str:
    return f"{count:,} {word if count == 1 else several or word + 's'}"


def _size(num_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes} bytes"
