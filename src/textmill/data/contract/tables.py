"""What the suites judge: for each suite a table of numbers, without texts.

A row is a document, a class or a column. Whatever can be wrong with it is a column of 0 and 1, so that Great
Expectations has only sums, means and extremes to take: it costs the same on good and on bad data, also with a million
rows at fault, where its row by row expectations take twenty times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from textmill.artifacts import SLICE
from textmill.data.contract.classes import Classes, is_as_it_should_be
from textmill.data.contract.shortcuts import Shortcut
from textmill.tasks import Task

# Reasons of quarantine that say: this text, or nearly this text, is there twice.
REPEATED = (
    "duplicate",
    "conflicting_labels",
    "near_duplicate",
    "near_conflicting_labels",
    "leaks_into_test",
    "leaks_into_validation",
)
MISSING = ("empty_text", "missing_label")
NUM_EXAMPLES = 3
_DIGITS = 9  # 0.5 - 0.3 is then 0.2, which a limit of 0.2 allows


@dataclass(frozen=True)
class Table:
    """What one suite looks at.

    Attributes:
        rows: columns of numbers.
        keys: the name of each row in a failure: a document's id, a label, or a column.
        examples: ids by column, where they are not the keys of the rows at fault.
        notes: by column, what is said beside the observed value.
    """

    rows: pd.DataFrame
    keys: "pd.Series[str]"
    examples: Mapping[str, list[str]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def judge_schemas(schemas: Mapping[str, pa.Schema], fixed: Mapping[str, pa.Schema]) -> Table:
    """Compare the columns of tables with what they must be.

    Args:
        schemas: of each table, as its file has it; `raw` is among them and says which slices there are.
        fixed: the columns that each table must have, slices left out; no others may be there.

    Returns:
        A row for each column that is there or should be, and for each table a column that is 1 where it is wrong.
    """
    slices = [name for name in schemas["raw"].names if name.startswith(SLICE)]
    rows, keys = [], []
    for table, schema in schemas.items():
        required = {name: _say_type(fixed[table].field(name).type) for name in fixed[table].names}
        required |= dict.fromkeys(slices, "text")
        found = {column.name: _say_type(column.type) for column in schema}
        for name in [*required, *(name for name in found if name not in required)]:
            rows.append({table: int(found.get(name) != required.get(name))})
            keys.append(f"{table}.{name} is {found.get(name, 'missing')}, not {required.get(name, 'expected')}")
    return Table(pd.DataFrame(rows, columns=list(schemas)).fillna(0).astype("int8"), pd.Series(keys))


def _say_type(found: pa.DataType) -> str:
    return "text" if pa.types.is_string(found) or pa.types.is_large_string(found) else str(found)


def tabulate_raw(
    raw: pd.DataFrame, clean: pd.DataFrame, quarantine: pd.DataFrame, task: Task = "single_label"
) -> Table:
    """Every row as found: was something missing, was it there before, is it accounted for?

    With several labels a document, none is nothing that is missing.

    Args:
        raw: id, id_key, label.
        clean: id_key, cluster_key.
        quarantine: id_key, reason.
    """
    keys, reasons = raw["id_key"], quarantine["reason"]
    kept, gone = keys.isin(clean["id_key"]), keys.isin(quarantine["id_key"])
    # With near duplicates in groups, or exact ones kept, the later ones of a cluster are still among the clean.
    again = [clean.loc[clean["cluster_key"].duplicated(), "id_key"], quarantine.loc[reasons.isin(REPEATED), "id_key"]]
    missing = keys.isin(quarantine.loc[reasons.isin(MISSING), "id_key"])
    if task != "multi_label":
        missing |= raw["label"].isna()
    rows = _flags(
        unaccounted=kept == gone,
        unnamed=keys.isna(),
        repeated=_repeated(keys),
        missing=missing,
        duplicate=keys.isin(pd.concat(again)),
        quarantined=gone,
    )
    return Table(rows, raw["id"])


def tabulate_clean(clean: pd.DataFrame, documents: pd.DataFrame, task: Task = "single_label") -> Table:
    """Every clean document: has it an id and a label as the task has it, and lies it in exactly one split?

    Args:
        clean: id, id_key, label.
        documents: id_key of the documents of all splits.
    """
    keys, placed = clean["id_key"], documents["id_key"]
    once = keys.isin(placed) & ~keys.isin(placed[placed.duplicated()])
    rows = _flags(
        unnamed=keys.isna(),
        repeated=_repeated(keys),
        unlabelled=clean["label"].isna(),
        mislabelled=~is_as_it_should_be(clean["label"], task),
        not_once=~once,
    )
    return Table(rows, clean["id"])


def tabulate_classes(classes: Classes, allowed: list[str] | None) -> Table:
    """Every class: its documents, and how far its share in each split is from its share of all.

    Args:
        allowed: the labels there may be, or None for any.
    """
    counts = classes.counts
    rows = counts.astype(float)
    for name in counts.columns[1:]:
        rows[f"{name}_drift"] = (classes.shares(name) - classes.shares("documents")).abs().round(_DIGITS)
    rows["unlisted"] = 0 if allowed is None else (~counts.index.isin(allowed)).astype(int)
    return Table(rows.reset_index(drop=True), pd.Series(counts.index.astype(str)))


def tabulate_reference(shares: Mapping[str, float], reference: Mapping[str, float]) -> Table:
    """Every class of these data and of the reference, with the difference of its shares.

    A class that is on one side only differs by 1: the set of labels is part of the reference.
    """
    labels = sorted({*shares, *reference})
    on_both = shares.keys() & reference.keys()
    drift = [abs(shares[label] - reference[label]) if label in on_both else 1.0 for label in labels]
    return Table(pd.DataFrame({"drift": drift}).round(_DIGITS), pd.Series(labels, dtype=str))


def tabulate_splits(documents: pd.DataFrame) -> Table:
    """Every document of the splits: its length, and whether it, or what belongs to it, lies in another split too.

    Args:
        documents: as of `reading.read_documents`.
    """
    leaks = [_crosses(documents["split"], documents[f"{name}_key"]) for name in ("text", "cluster", "group")]
    names = ("the same text", "near duplicates", "the same group")
    counted = [f"{name} {int(found.sum()):,}" for name, found in zip(names, leaks, strict=True) if found.any()]
    rows = _flags(textless=documents["num_characters"].isna(), leaks=np.logical_or.reduce(leaks))
    return Table(
        rows.assign(num_characters=documents["num_characters"].to_numpy()),
        documents["id"],
        notes={"leaks": ", ".join(counted)} if counted else {},
    )


def _crosses(split: "pd.Series[int]", key: "pd.Series[int]") -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Is there a row of another split with the same key? Rows without a key never cross."""
    codes, uniques = pd.factorize(key)
    grouped = split.groupby(codes)
    crossing = np.append((grouped.min() != grouped.max()).reindex(range(len(uniques))).to_numpy(bool), False)
    return crossing[codes]  # the code of no key is -1, the last place


def tabulate_texts(ids: list[str], marks: Mapping[str, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]) -> Table:
    """Every sampled document with what was found in its text, 0 or 1 for each mark."""
    return Table(pd.DataFrame({name: found.astype("int8") for name, found in marks.items()}), pd.Series(ids, dtype=str))


def tabulate_shortcuts(found: Mapping[str, list[Shortcut]], ids: list[str], *, include_texts: bool) -> Table:
    """For each kind of shortcut the strongest correlation of each class.

    Args:
        found: shortcuts of each class, by kind; the first is the strongest of all.
        ids: of the sampled documents.
        include_texts: whether words of the texts may be told.
    """
    labels = sorted({shortcut.label for shortcuts in found.values() for shortcut in shortcuts})
    if not labels and ids:
        labels = [""]  # every class is too small to prove anything, or no word is common: that is no fault of the data
    rows = pd.DataFrame(0.0, index=labels, columns=list(found))
    examples, notes = {}, {}
    for kind, shortcuts in found.items():
        for shortcut in shortcuts:
            rows.loc[shortcut.label, kind] = shortcut.strength
        if shortcuts and shortcuts[0].strength:
            notes[kind] = shortcuts[0].describe(include_texts=include_texts)
            examples[kind] = [ids[row] for row in shortcuts[0].rows[:NUM_EXAMPLES]]
    return Table(rows.reset_index(drop=True), pd.Series(labels, dtype=str), examples, notes)


def _repeated(keys: "pd.Series[int]") -> "pd.Series[bool]":
    return keys.duplicated(keep=False) & keys.notna()


def _flags(**columns: "pd.Series[bool]") -> pd.DataFrame:
    return pd.DataFrame({name: np.asarray(values, bool).astype("int8") for name, values in columns.items()})
