"""Looks at a source before anyone edits params.yaml: what is in it, what each column is for, and what is wrong with it.

Two passes over the whole source, with a few bytes a document in memory: the first looks at the columns and guesses
what they are for, the second at the documents that ingest would make of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from textmill.data.inspection.block import clean_block, data_block, project_for
from textmill.data.inspection.columns import ColumnProfile, profile_columns
from textmill.data.inspection.documents import DocumentsProfile
from textmill.data.inspection.opening import Opened, open_parts
from textmill.data.inspection.roles import Guess, Roles, guess_roles
from textmill.data.inspection.task_guess import TaskGuess, guess_task
from textmill.data.sources import BATCH_SIZE
from textmill.data.sources.errors import EmptySource, MissingColumn
from textmill.data.sources.files import SPLIT
from textmill.data.sources.labels import check_labels
from textmill.data.sources.split_names import split_of_value
from textmill.data.sources.values import as_texts

__all__ = ["inspect"]

Advance = Callable[[int], None]
MAX_NAMED_LABELS = 20
_DECLARED = {
    "orange_tab": "flagged `class` in the third line",
    "hf_folder": "a ClassLabel of the dataset",
}


def inspect(
    uri: str,
    header: bool | None = None,
    max_rows: int | None = None,
    text: str | None = None,
    label: str | None = None,
    advance: Advance = lambda num_rows: None,
) -> dict[str, Any]:
    """The facts about a source, as JSON has them; `facts["block"]` is the YAML to paste.

    Args:
        uri: whatever data.source takes.
        header: whether a delimited file has a header line; None guesses it.
        max_rows: rows to look at, from the first on, of each split; None looks at all.
        text, label: columns, if they are not to be guessed.
        advance: called with the number of rows just read.

    Raises: UserError: the source cannot be read, as ingest would say it.
    """
    opened = open_parts(uri, header)
    for name in (text, label):
        if name is not None and name not in opened.columns:
            raise MissingColumn(f"{uri} has no column {name!r}. Its columns: {', '.join(map(repr, opened.columns))}.")
    columns, rows = _profile_columns(opened, max_rows, advance)
    roles = _guess(opened, columns, text, label)
    labels = next((column for column in columns if roles.label and column.name == roles.label.column), None)
    task = guess_task(labels)
    documents = _profile_documents(opened, roles, task, max_rows, advance) if roles.text else None
    sources = [source for _, source in opened.parts.values()]
    return {
        "source": uri if None in opened.sources else opened.sources,
        "layout": opened.layout,
        "header": opened.header,
        "header_reason": opened.header_reason,
        "files": sum(source.num_files for source in sources),
        "bytes": opened.num_bytes,
        "rows": rows,
        "max_rows": max_rows,
        "re_encoded": [file for source in sources for file in source.re_encoded],
        "not_read": [name for source in sources for name in source.ignored],
        "columns": [_describe(column, roles) for column in columns],
        "guesses": _as_json(roles),
        "task": vars(task),
        **(documents.as_dict() if documents else {}),
        **_blocks(opened, roles, task, documents),
    }


def _profile_columns(
    opened: Opened, max_rows: int | None, advance: Advance
) -> tuple[list[ColumnProfile], dict[str, int]]:
    """The profile of each column, and the rows of each split (`all` where there is but one source)."""
    columns = profile_columns(opened.columns)
    rows: dict[str, int] = {}
    for split, (_, source) in opened.parts.items():
        rows[split or "all"] = 0
        for batch in _limited(source.batches(BATCH_SIZE), max_rows):
            rows[split or "all"] += len(batch)
            for name in columns.keys() & set(batch.columns):
                columns[name].update(batch[name])
            advance(len(batch))
    if not any(rows.values()):
        raise EmptySource(f"{', '.join(opened.sources.values())} holds no rows. Put documents there.")
    return list(columns.values()), rows


def _guess(opened: Opened, columns: list[ColumnProfile], text: str | None, label: str | None) -> Roles:
    if opened.layout == "folder_per_class":
        return Roles(Guess("text", "the content of each file"), Guess("label", "the name of the folder"))
    notes = {key: value for _, source in opened.parts.values() for key, value in source.notes.items()}
    return guess_roles(
        columns, dict.fromkeys(notes.get("class_columns", []), _DECLARED.get(opened.layout, "")), text, label
    )


def _profile_documents(
    opened: Opened, roles: Roles, task: TaskGuess, max_rows: int | None, advance: Advance
) -> DocumentsProfile:
    """What ingest would make of the rows."""
    assert roles.text is not None
    profile = DocumentsProfile(task.task, task.label_separator)
    for split, (_, source) in opened.parts.items():
        for batch in _limited(source.batches(BATCH_SIZE), max_rows):
            nothing: list[str | None] = [None] * len(batch)
            splits = batch[SPLIT].to_list() if SPLIT in batch else [split] * len(batch)
            if roles.split and split is None and SPLIT not in batch:
                values = as_texts(batch[roles.split.column])
                splits = [None if value is None else split_of_value(value) for value in values]
            labels = as_texts(batch[roles.label.column]) if roles.label else nothing
            profile.update(as_texts(batch[roles.text.column]), labels, splits)
            if roles.label:
                check_labels(profile.labels, f"the column {roles.label.column!r}")
            advance(len(batch))
    return profile


def _limited(batches: Iterator[pd.DataFrame], max_rows: int | None) -> Iterator[pd.DataFrame]:
    """At most the first `max_rows` rows."""
    num_rows = 0
    for batch in batches:
        if max_rows is not None and num_rows + len(batch) >= max_rows:
            yield batch.head(max_rows - num_rows)
            return
        yield batch
        num_rows += len(batch)


def _describe(column: ColumnProfile, roles: Roles) -> dict[str, Any]:
    return {
        "name": column.name,
        "role": roles.of(column.name),
        "type": column.kind,
        "missing_share": column.num_missing / max(column.num_rows, 1),
        "num_distinct": column.num_distinct,
        "mean_characters": round(column.mean_characters, 1),
        "mean_words": round(column.mean_words, 1),
        "example": column.example,
    }


def _as_json(roles: Roles) -> dict[str, Any]:
    one = {name: getattr(roles, name) for name in ("text", "label", "split")}
    several = {name: getattr(roles, name) for name in ("group", "time", "slices")}
    return {
        **{name: None if guess is None else vars(guess) for name, guess in one.items()},
        **{name: [vars(guess) for guess in guesses] for name, guesses in several.items()},
    }


def _blocks(opened: Opened, roles: Roles, task: TaskGuess, documents: DocumentsProfile | None) -> dict[str, Any]:
    """What to paste into params.yaml."""
    block = data_block(
        opened.sources,
        opened.header is not False,
        opened.reference(roles.text.column) if roles.text else None,
        opened.reference(roles.label.column) if roles.label else None,
        opened.reference(roles.split.column) if roles.split and None in opened.parts else None,
        label_separator=task.label_separator,
        candidates={"group": roles.group, "time": roles.time, "slices": roles.slices},
    )
    labels = sorted(documents.labels) if documents and roles.label else []
    has_names = any(not label.replace(".", "", 1).lstrip("+-").isdigit() for label in labels)
    is_number = task.task == "regression"  # which is not mapped: clean.labels must be null
    return {
        "block": block,
        "clean_block": clean_block([] if has_names or len(labels) > MAX_NAMED_LABELS else labels)
        if labels or is_number
        else None,
        "project": project_for(list(opened.sources.values())),
    }
