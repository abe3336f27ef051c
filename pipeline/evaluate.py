"""Quality with intervals, calibration, size and speed of one model on one split, through the runtime that serves.

Reads: models/MODEL/bundle and evidence.json (or models/MODEL/skipped.json), data/splits/SPLIT.parquet; for test also
    reports/validation/MODEL/report.json, whose thresholds test is judged by.
Writes: reports/SPLIT/MODEL/ metrics.json, report.json, predictions.parquet, confusion.csv, calibration.csv
    and plots/.
Params: project, seed, evaluate, report.include_texts.

Run as `python -m pipeline.evaluate MODEL SPLIT`, where SPLIT is validation or test.
"""

import sys
from typing import Literal

from pipeline import Params, Paths, main
from textmill import tracking
from textmill.artifacts import read_json, read_table


def run(params: Params, paths: Paths, model: str, split: Literal["validation", "test"]) -> None:
    from tqdm import tqdm

    from textmill.bundle import read_manifest
    from textmill.evaluation.case import Settings
    from textmill.evaluation.primary import name_primary
    from textmill.evaluation.report import evaluate, read_skipped, skip
    from textmill.evaluation.weak_slices import hide_words

    folder = paths.evaluation(split, model)
    if reason := read_skipped(paths.model(model)):
        skip(reason).write(folder)
        print(f"evaluate: {model} on {split}: skipped, {reason}")
        return
    documents = read_table(paths.split(split))
    fitted = read_json(paths.evaluation("validation", model) / "report.json") if split == "test" else None
    with tqdm(desc=f"{model} on {split}", total=len(documents), unit=" docs", disable=None, leave=False) as bar:
        settings = Settings(**params.evaluate.model_dump(), seed=params.seed)
        evaluation = evaluate(paths.bundle(model), documents, settings, split=split, fitted=fitted, progress=bar.update)
    if not params.report.include_texts and (weak := evaluation.report.get("weak_slices")):
        evaluation.report["weak_slices"] = hide_words(weak)
    if (made := paths.model(model) / "evidence.json").exists():  # the baseline has none
        evaluation.report["compression"] = read_json(made)
    evaluation.write(folder)
    key = read_manifest(paths.bundle(model), verify=False)["lineage"]["key"]
    with tracking.model_run(paths, params.project, model, key):
        metrics = {f"{split}_{name}": value for name, value in evaluation.metrics.items()}
        tracking.log(metrics=metrics, artifacts=folder, folder=split)
    figures = evaluation.metrics
    print(
        f"evaluate: {model} on {split}: {name_primary(evaluation.report['task'])} {figures['score']:.3f} "
        f"[{figures['score_low']:.3f}, {figures['score_high']:.3f}], {figures['size_mb']:.1f} MB, "
        f"{figures['latency_p50_ms']:.2f} ms, {figures['throughput_per_s']:.0f} documents/s"
    )


if __name__ == "__main__":
    main(run, *sys.argv[1:])
