"""What is found of a model, for tests of what tells of it: every part of report.json, and reports/diagnosis.json.

Small, in the formats that the stages write; `text` is a label, a slice or a word, and may be hostile.
"""

from typing import Any

from textmill.artifacts import read_json, read_table, write_json
from textmill.paths import Paths

MODELS = ("full", "int8", "baseline")


def write_findings(paths: Paths, text: str = "tests", task: str = "single_label") -> None:
    """Add all parts to the reports on test of a tiny run, and write reports/diagnosis.json."""
    for name in MODELS:
        file = paths.evaluation("test", name) / "report.json"
        report = read_json(file)
        made = {} if name == "baseline" else {"compression": making(name, task)}
        write_json(file, {**report, **findings(report["labels"], text, task), **made})
    write_json(paths.diagnosis, diagnosis(paths, text, task))


def findings(labels: list[str], text: str, task: str) -> dict[str, Any]:
    found = groups(labels, text, task) | stress(task) | {"efficiency": efficiency()}
    if task == "regression":
        conformal = {"coverage_stated": 0.9, "quantile": 18.2, "coverage": 0.897, "coverage_low": 0.88}
        conformal |= {"expected_low": 0.88, "expected_high": 0.92}
        conformal |= {"coverage_high": 0.915, "mean_width": 36.4, "method": "absolute residual", "num_fitted": 1200}
        return {**found, "conformal": {**conformal, "fitted_on": "validation"}}
    bins = [
        {"confidence": 0.6 + 0.2 * n, "mean_confidence": 0.6 + 0.2 * n, "accuracy": 0.5 + 0.2 * n, "count": 600}
        for n in range(2)
    ]
    error = {"error": 0.0873, "error_low": 0.07, "error_high": 0.11, "error_if_calibrated": 0.021, "bins": bins}
    error |= {"error_unscaled": 0.1234, "bins_unscaled": bins}
    found["adaptive_calibration"] = {**error, "equal_width": error}
    return found if task == "multi_label" else found | abstention(labels)


def abstention(labels: list[str]) -> dict[str, Any]:
    """selective and conformal."""
    curve = [{"coverage": n / 50, "risk": 0.2 * (n / 50) ** 2, "threshold": 1 - n / 100} for n in range(1, 51)]
    selective = {"curve": curve, "aurc": 0.0612, "max_risk": 0.05, "threshold": 0.754, "coverage": 0.512}
    selective |= {"risk": 0.047, "risk_low": 0.031, "risk_high": 0.064, "fitted_on": "validation"}
    conformal = {"coverage_stated": 0.9, "quantile": 0.83, "coverage": 0.897, "coverage_low": 0.88}
    conformal |= {
        "num_fitted": 1200,
        "expected_low": 0.88,
        "expected_high": 0.92,
        "coverage_high": 0.915,
        "mean_size": 1.37,
        "sizes": {"0": 12, "1": 800, "2": 388},
    }
    conformal |= {"per_class": dict.fromkeys(labels, 0.88), "method": "LAC", "fitted_on": "validation"}
    return {"selective": selective, "conformal": conformal}


def groups(labels: list[str], text: str, task: str) -> dict[str, Any]:
    """slices, weak_slices and fairness."""
    row = {"column": "source", "value": text, "num_documents": 140, "score": 0.611, "score_low": 0.53}
    row |= {"score_high": 0.69, "rest": 0.801, "difference": -0.19, "difference_low": -0.28, "difference_high": -0.11}
    row |= {
        "figure": "R²" if task == "regression" else "macro-F1",
        "p_value": 0.00001,
        "p_adjusted": 0.0002,
        "weak": True,
    }
    fine = {**row, "column": "length", "value": "1 to 12", "score": 0.78, "rest": 0.77, "difference": 0.01}
    fine |= {"difference_low": -0.04, "difference_high": 0.06, "p_value": 0.8, "p_adjusted": 1.0, "weak": False}
    slices = {"figure": "R²" if task == "regression" else "accuracy", "rows": [fine, row], "too_small": 3}
    weak = {"num_documents": 66, "num_errors": 31, "error_rate": 0.47, "rest_error_rate": 0.21}
    weak |= {"p_value": 1e-7, "p_adjusted": 3e-5}
    of_word = [{"feature": "word", "value": f"hidden{text}"}, {"feature": "length", "value": "1 to 12"}]
    rows = [{**weak, "conditions": of_word}, {**weak, "conditions": [{"feature": "source", "value": text}]}]
    rates = dict.fromkeys(labels, 0.5)
    group = {"value": text, "num_documents": 300, "accuracy": 0.75, "selection_rates": rates}
    group |= {"true_positive_rates": rates}
    gap: dict[str, Any] = {"highest": "north", "lowest": text, "chance": 0.08}
    gap |= {"label": labels[0] if labels else None, "value": 0.21, "low": 0.13, "high": 0.29}
    differences = [
        {**gap, "name": "demographic_parity_difference"},
        {**gap, "name": "equalized_odds_difference"},
        {**gap, "name": "accuracy_difference", "label": None, "value": 0.04, "low": 0.0, "high": 0.1},
    ]
    fairness = {"region": {"groups": [group, {**group, "value": "north"}], "differences": differences, "too_small": 1}}
    return {
        "slices": {**slices, "num_tested": 2, "correction": "Holm"},
        "weak_slices": {"rows": rows, "num_tested": 1234, "correction": "Holm"},
        "fairness": {} if task == "regression" else fairness,
    }


def stress(task: str) -> dict[str, Any]:
    """robustness, checks and shift."""
    typos: dict[str, Any] = {"does": "swaps letters", "expects": "same"}
    typos |= {"perturbation": "typos", "num_changed": 149, "score_before": 0.78, "score": 0.69, "drop": 0.09}
    typos |= {"drop_low": 0.04, "drop_high": 0.14, "flips": None if task == "regression" else 21}
    casing = {
        **typos,
        "perturbation": "negation",
        "expects": "may change",
        "score": 0.78,
        "drop": 0.0,
        "drop_low": -0.01,
        "drop_high": 0.01,
    }
    check = {"name": "names do not matter", "kind": "invariance", "num_documents": 80, "num_failed": 9}
    check |= {
        "failure_rate": 0.1125,
        "low": 0.06,
        "high": 0.2,
        "max_failures": 0.05,
        "passed": False,
        "ids": ["c0ffee"],
    }
    met = {**check, "name": "not", "kind": "direction", "num_failed": 0, "failure_rate": 0.0, "low": 0.0}
    met |= {"high": 0.04, "passed": True, "ids": []}
    area = {"auroc": 0.812, "low": 0.77, "high": 0.85}
    shift = {"source": "documentation of Python", "num_documents": 150, "num_texts": 150, "max_softmax": area}
    found = {
        "robustness": {"num_documents": 150, "rows": [casing, typos]},
        "checks": {"rows": [met, check]},
    }
    return found if task == "regression" else {**found, "shift": {**shift, "energy": {**area, "auroc": 0.871}}}


def efficiency() -> dict[str, Any]:
    speeds = [{"batch_size": size, "documents_per_s": 310.0 * size**0.4} for size in (1, 4, 16, 64)]
    return {
        "parameters": 22_713_216,
        "flops_per_document": 1_420_000_000,
        "memory_mb": 183.4,
        "median_tokens": 21,
        "libraries_mb": 88.0,
        "startup_ms": 412.0,
        "throughput": speeds,
        "energy_joules_per_document": None,
        "energy_note": "the machine does not expose it",
        "threads": 1,
    }


def making(name: str, task: str) -> dict[str, Any]:
    """evidence.json of `full`, or of `int8` made from it: 4 of 300 answers changed."""
    alike = {"num_documents": 64, "max_difference": 1.43e-06, "agreement": 1.0, "changed": 0}
    alike |= {"only_it_right": 0, "only_other_right": 0}
    moved = {**alike, "max_difference": 0.213, "agreement": 0.984375, "changed": 1, "only_other_right": 1}
    weights = {"embeddings": 47_682_928, "attention": 14_213_823, "feed_forward": 28_377_648, "head": 7757}
    weights |= {"recurrence": 0, "convolutions": 0}
    rest = {"other": 501_467, "files": 712_030}
    if task == "regression":
        moved |= dict.fromkeys(("agreement", "changed", "only_it_right", "only_other_right"))
    if name == "full":
        return {
            "parent": "trained",
            "seconds": 9.1,
            "parity": alike,
            "agreement": alike,
            "bytes": weights | rest,
            "steps": [],
        }
    smaller = {part: size // 4 for part, size in weights.items()} | rest
    agreement = {**moved, "num_documents": 300}
    if task != "regression":
        agreement |= {"agreement": 296 / 300, "changed": 4, "only_it_right": 1, "only_other_right": 2}
    steps = [
        {
            "method": "quantize",
            "seconds": 2.4,
            "notes": {"tables": {"kept_in_float": 2, "names": ["a", "b"]}, "rounded": True},
        }
    ]
    of_it = {"parity": moved, "agreement": agreement, "bytes": smaller, "steps": steps}
    return {"parent": "full", "seconds": 131.0, **of_it}


def deletion_test() -> dict[str, Any]:
    areas = {"auc": 0.31, "auc_low": 0.27, "auc_high": 0.36, "random": 0.62, "random_low": 0.55, "random_high": 0.7}
    areas |= {"difference": 0.31, "difference_low": 0.22, "difference_high": 0.4, "num_documents": 7}
    curves = {"shares": [0.0, 0.25, 0.5], "curve": [0.9, 0.2, 0.1], "random_curve": [0.9, 0.7, 0.5]}
    return {"method": "occlusion", **areas, **curves, "beats_random": True, "shown": True}


def diagnosis(paths: Paths, text: str, task: str) -> dict[str, Any]:
    """Of the documents of the splits, with two words of each mistake explained."""
    answers = read_table(paths.evaluation("test", "int8") / "predictions.parquet")
    wrong = answers[answers["label"] != answers["predicted"]].head(8)
    near = read_table(paths.split("train"), ["id", "label"]).head(3).to_dict("records")
    explanation = {"method": "integrated gradients", "spans": [[0, 7, 0.8], [9, 15, -0.41]]}
    mistakes = [
        {
            "id": row["id"],
            "label": row["label"],
            "predicted": row["predicted"],
            "confidence": None if task == "regression" else 0.93,
            "error": float(row["predicted"]) - float(row["label"]) if task == "regression" else None,
            "audit_doubts": number == 0,
            "flipped_from": ["baseline"] if number == 1 else [],
            "neighbours": [{**neighbour, "similarity": 0.61, "doubted": False} for neighbour in near],
            "explanation": None
            if number == 7
            else {**explanation, "label": None if task == "regression" else "positive"},
        }
        for number, row in enumerate(wrong.to_dict("records"))
    ]
    ids = wrong["id"].tolist()
    pair = {"actual": wrong["label"].iloc[0], "predicted": wrong["predicted"].iloc[0], "count": 57, "ids": ids[:4]}
    is_regression = task == "regression"
    return {
        "model": "int8",
        "num_mistakes": None if task == "regression" else 287,
        "mistakes": mistakes,
        "confusion_pairs": [] if is_regression else [pair],
        "flips": []
        if is_regression
        else [{"a": "full", "b": "int8", "num_broken": 2, "num_mended": 1, "broken": ids[:2], "mended": ids[2:3]}],
        "words_per_class": {"higher" if is_regression else "positive": [[f"hidden{text}", 1.21], ["moving", 0.8]]},
        "faithfulness": [deletion_test()],
        "left_out": ["explanations of 1 of 8 mistakes"],
    }
