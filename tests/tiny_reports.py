"""Reports of the data stages for tests of what tells of them: small, in the formats that the stages write."""

from typing import Any

import pandas as pd

from textmill.artifacts import write_json, write_table
from textmill.baseline.label_audit import LABEL_ISSUES
from textmill.paths import Paths


def write_data_reports(paths: Paths, text: str = "positive", task: str = "single_label") -> None:
    """Reports of the data stages, in their formats; `text` is a label, part of a name, and a document."""
    expectation = {"suite": "clean", "expectation": "column_value_lengths_to_be_between", "column": "text"}
    expectation |= {"setting": "contract.characters", "description": "Median length of a document", "passed": True}
    expectation |= {"required": "at least 10", "observed": 1250.5, "level": "error", "examples": []}
    warning = {**expectation, "description": f"Best token of {text}", "passed": False, "level": "warn"}
    warning |= {"examples": [text], "observed": 0.987654321, "setting": "contract.token_shortcut"}
    source = {"uri": f"data/{text}.csv", "sha256": "ab" * 32, "where": None, "num_documents": 5010}
    source |= {"rows_in_source": 6000, "given_splits": None, "label_corrections": None, "re_encoded": []}
    source |= {"ignored": [], "empty_classes": [], "parts": [{"split": None, "num_rows": 5010}]}
    write_json(paths.source, source)
    counts = {"ingested": 5010, "kept": 5000, "quarantined": 10, "labels": {"negative": 2500, text: 2500}}
    counts |= {"reasons": {"empty_text": 7, "duplicate": 0, "leaks_into_test": 3}, "repaired": {"html_to_text": 4321}}
    counts |= {
        "unlabelled": 0,
        "target": None,
        "merged_labels": {},
        "near_duplicates": {"num_clusters": 0, "largest": 0},
        "corrections": [],
    }
    if task == "regression":
        counts |= {"labels": {}, "target": {"min": 40.0, "max": 80.0, "mean": 55.5, "std": 15.0}}
    elif task == "multi_label":
        counts |= {"unlabelled": 123}
    write_json(paths.clean_summary, {**counts, "leaks": {"exact": 1, "near": 2}})
    report = {"passed": True, "num_expectations": 2, "num_warnings": 1, "expectations": [expectation, warning]}
    write_json(paths.validation_report, report)
    of_class = {"documents": 2500, "train": 1751, "validation": 374, "test": 375}
    classes = {} if task == "regression" else {"negative": of_class, text: of_class}
    write_json(paths.profile, {"classes": classes})
    audit = {"num_documents": 3500, "num_issues": 7, "share": 0.002, "agreement": 0.876, "per_label": {}}
    write_json(paths.label_audit, audit)
    issue = {"rank": 1, "id": "feedbeef", "text": text, "label": "negative", "suggested": "positive"}
    if task == "regression":
        issue |= {"label": "40.0", "suggested": "71.25"}
    write_table(paths.label_issues, pd.DataFrame([{**issue, "self_confidence": 0.1, "confidence": 0.9}]), LABEL_ISSUES)
    write_json(paths.tokens / "tokens.json", token_report())


def token_report() -> dict[str, Any]:
    """tokens.json of the tokenizer of the weights."""
    split = {"num_documents": 3502, "num_tokens": 70040, "truncated_share": 0.25, "unknown_share": 0.0002}
    split |= {"whole_tokens_p50": 31.0, "whole_tokens_p95": 88.0, "whole_tokens_max": 977}
    split |= {"fertility": 1.234, "characters_per_token": 4.567}
    costs = [(32, 0.51, 0.6, 0.4321), (64, 0.25, 0.84, 1.0), (128, 0.031, 0.99, 1.789)]
    keys = ("max_length", "truncated_share", "kept_share", "relative_cost")
    rows = [{**dict(zip(keys, row, strict=True)), "current": row[0] == 64} for row in costs]
    tokens = {"max_length": 64, "vocabulary_size": 30522, "tokenizer": {"kind": "weights"}, "pad_id": 0}
    tokens |= {"splits": {"train": split, "validation": split}, "weights": {"uri": "package://w"}}
    tokens |= {"long_documents": {"strategy": "truncate", "head_share": 0.25, "overlap": 16, "max_windows": 8}}
    return {**tokens, "max_length_costs": {"num_documents": 3502, "estimate": "padded tokens", "rows": rows}}


def write_model_reports(paths: Paths, task: str = "single_label") -> None:
    """Reports of search, training and registration."""
    write_json(paths.study, search_report())
    overrides = [{"key": "training.batch_size", "used": 16, "written": 32}]
    paths.model("trained").mkdir(exist_ok=True)
    write_json(paths.model("trained") / "overrides.json", overrides)
    curves = {"epoch": [1, 2], "train_loss": [0.6, 0.4], "validation_loss": [0.5, 0.45]}
    pd.DataFrame({**curves, "validation_score": [0.7, 0.8]}).to_csv(paths.model("trained") / "curves.csv")
    entry = {"version": 1, "run_id": "r", "bundle_sha256": "cd" * 32, "lineage_key": "ef" * 32}
    rule = {"rule": "min_quality", "observed": 0.75, "required": 0.6, "passed": True, "level": "block", "message": "m"}
    gate = {"passed": True, "champion_version": None, "rules": [rule], "num_documents": 1200, "num_left_out": 0}
    gate |= {"reasons": [], "warnings": [], "smallest_detectable_loss": None, "difference": None}
    gate |= {"flipped": {"broken": [], "mended": []}, "task": task, "score": {"candidate": 0.75, "champion": None}}
    versions = {"full": entry, "chosen": {**entry, "name": "int8", "version": 2}}
    record = {"model_name": "tiny", "versions": versions, "gate": gate}
    write_json(paths.registration, {**record, "champion_version": 2, "challenger_version": None})


def search_report(text: str = "none") -> dict[str, Any]:
    """study.json of a search with a complete, a pruned and a failed trial; `text` is a value and an error."""
    values = {"learning_rate": 1e-4, "training.averaging": text}
    trial: dict[str, Any] = {"number": 0, "state": "complete", "score": 0.7, "figures": {"quality": 0.7}}
    trial |= {"values": values, "reports": [[1, 0.6], [2, 0.7]], "epochs": 1.0, "seconds": 1.5, "worker": "host:7"}
    trial |= {"started": "2026-11-22T10:00:00+00:00", "error": None, "stopped": None, "copy_of": None}
    trial |= {"retry_of": None, "attempt": None, "constraints": {"size_mb <= 5": {"violation": -1.0, "kept": True}}}
    pruned = {**trial, "number": 1, "state": "pruned", "score": 0.6, "figures": {}, "reports": [[1, 0.6]]}
    failed = {**trial, "number": 2, "state": "fail", "score": None, "figures": {}, "reports": [], "error": text}
    rate = {"name": "FloatDistribution", "attributes": {"step": None, "low": 1e-5, "high": 1e-2, "log": True}}
    averaging = {"name": "CategoricalDistribution", "attributes": {"choices": [text, "ema"]}}
    return {
        "study": "s",
        "objectives": ["quality"],
        "directions": ["maximize"],
        "distributions": {"learning_rate": rate, "training.averaging": averaging},
        "trials": [trial, pruned, failed],
        "importances": {"shares": {}, "note": "Too few complete trials to tell (1); it takes 8."},
        "outlook": {"verdict": "unknown", "sentence": "Too early to say whether more trials pay."},
        "values": values,
        "trial": 0,
        "score": 0.7,
        "lineage": {"key": "ab" * 32},
    }
