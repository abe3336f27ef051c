"""From the files of raw, clean and splits to what the suites judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textmill.artifacts import DOCUMENTS, QUARANTINE, RAW, read_schema
from textmill.data.contract.classes import count_classes
from textmill.data.contract.personal_data import check_region, has_email, has_phone
from textmill.data.contract.profile import build_profile
from textmill.data.contract.reading import Sample, read_documents, read_keys
from textmill.data.contract.reference import Reference
from textmill.data.contract.shortcuts import find_affix_shortcuts, find_word_shortcuts
from textmill.data.contract.suites import Check, build_checks, build_schema_checks, list_left_out
from textmill.data.contract.tables import (
    Table,
    judge_schemas,
    tabulate_classes,
    tabulate_clean,
    tabulate_raw,
    tabulate_reference,
    tabulate_shortcuts,
    tabulate_splits,
    tabulate_texts,
)
from textmill.data.scripts import NONE, script_of
from textmill.paths import SPLITS
from textmill.tasks import Task

_FIXED = {"raw": RAW, "quarantine": QUARANTINE, "clean": DOCUMENTS, **dict.fromkeys(SPLITS, DOCUMENTS)}


@dataclass(frozen=True)
class Examination:
    """What is judged.

    Attributes:
        tables: one for each suite.
        checks: what is expected of them.
        profile: the data in numbers; None where the columns of a file are wrong, for then nothing else was read.
        left_out: keys of params.yaml with a limit that says nothing about the task.
    """

    tables: dict[str, Table]
    checks: list[Check]
    profile: dict[str, Any] | None
    left_out: list[str]


def examine(
    files: Mapping[str, Path],
    *,
    task: Task,
    contract: Mapping[str, Any],
    min_characters: int,
    max_characters: int,
    project: str,
    source: Mapping[str, Any],
    reference: Reference | None,
    include_texts: bool,
) -> Examination:
    """Read the tables and look at them, without holding more than a sample of the texts.

    Args:
        files: of `raw`, `quarantine`, `clean`, `train`, `validation` and `test`.
        task: what the labels are.
        contract: the section of this name in params.yaml.
        min_characters, max_characters: of the section `clean`.
        project, source: for the profile.
        reference: what was frozen, or None. Its ranges of the target are used in place of the data's own.
        include_texts: whether words of the texts may be told.

    Raises: MissingArtifact.
    """
    schema = judge_schemas({name: read_schema(files[name]) for name in _FIXED}, _FIXED)
    schema_checks = build_schema_checks(tuple(_FIXED))
    if schema.rows.to_numpy().any():
        return Examination({"schema": schema}, schema_checks, None, [])
    clean = read_keys(files["clean"], ["id", "label", "cluster"])
    quarantine = read_keys(files["quarantine"], ["id", "reason"])
    raw = tabulate_raw(read_keys(files["raw"], ["id", "label"]), clean, quarantine, task)
    documents, sample = read_documents({name: files[name] for name in SPLITS}, contract["sample_documents"])
    labels = {name: documents.loc[documents["split"] == number, "label"] for number, name in enumerate(SPLITS)}
    borders = reference.target.borders if reference and reference.target else None
    classes = count_classes(clean["label"], labels, task, borders)
    scripts = [script_of(text) for text in sample.texts]
    tables = {
        "schema": schema,
        "raw": raw,
        "clean": tabulate_clean(clean, documents, task),
        "classes": tabulate_classes(classes, contract["labels"]["allowed"]),
        "splits": tabulate_splits(documents),
        "texts": _examine_texts(sample, scripts, contract),
    }
    if task != "regression":
        tables["shortcuts"] = _examine_shortcuts(sample, task, contract, include_texts=include_texts)
    profile = build_profile(
        project=project,
        source=source,
        classes=classes,
        num_characters=documents["num_characters"],
        scripts=scripts,
        raw=raw,
        texts=tables["texts"],
    )
    if reference is not None:
        tables["reference"] = tabulate_reference(profile["labels"], reference.labels)
    checks = build_checks(
        contract,
        num_accounted=len(clean) + len(quarantine),
        num_clean=len(clean),
        min_characters=min_characters,
        max_characters=max_characters,
        has_reference=reference is not None,
        task=task,
    )
    limits = {key: value for key, value in contract.items() if isinstance(value, Mapping)}
    return Examination(tables, [*schema_checks, *checks], profile, list_left_out(limits, task))


def _examine_texts(sample: Sample, scripts: list[str], contract: Mapping[str, Any]) -> Table:
    commonest = pd.Series([name for name in scripts if name != NONE], dtype=str).mode()
    marks = {"main_script": np.array([name in commonest[:1].tolist() for name in scripts], bool)}
    if contract["email_share"]["max"] is not None:
        marks["email"] = np.array([has_email(text) for text in sample.texts], bool)
    if contract["phone_share"]["max"] is not None:
        check_region(contract["phone_region"])
        marks["phone"] = np.array([has_phone(text, contract["phone_region"]) for text in sample.texts], bool)
    return tabulate_texts(sample.ids, marks)


def _examine_shortcuts(sample: Sample, task: Task, contract: Mapping[str, Any], *, include_texts: bool) -> Table:
    found = {}
    if contract["token_shortcut"]["max"] is not None:
        found["word"] = find_word_shortcuts(sample.texts, sample.labels, task)
    if contract["prefix_shortcut"]["max"] is not None:
        found["affix"] = find_affix_shortcuts(sample.texts, sample.labels, task)
    return tabulate_shortcuts(found, sample.ids, include_texts=include_texts)
