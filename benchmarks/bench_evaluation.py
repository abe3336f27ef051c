"""What evaluation costs beside the predictions, and its bootstrap beside a loop over scikit-learn.

    python -m benchmarks.bench_evaluation --part bootstrap    about 20 seconds
    python -m benchmarks.bench_evaluation --part overhead     about 30 minutes, most of it training a transformer

bootstrap  seconds of one core for the intervals of all figures of one label a document (`quality.assess`, per class as
           well), 10,000 resamples of 7,500 documents of 20 classes; and for the same figures of --loops resamples by
           scikit-learn's functions, multiplied by 10,000 / loops
overhead   the test split of 20 Newsgroups (preset 20-newsgroups): seconds of the pass that predicts every document,
           and of all that `evaluate` does beside it, as a share of the pass; seconds of each part. Of the TF-IDF
           baseline, a bag of embeddings and the transformer: the less a prediction costs, the larger the share

The networks learn from --train-documents documents in one epoch: their figures do not matter here, only their costs.
The models have validation figures first, as in the pipeline, whose thresholds test is judged by.

--clone DIR makes the clone there and finds it again, with the models that are in it.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.bench_results import set_values
from benchmarks.clone import ROOT, fresh_clone, run, write_result
from textmill.artifacts import read_table
from textmill.config import load_params
from textmill.evaluation import examination, report
from textmill.evaluation.case import Settings
from textmill.evaluation.quality import assess
from textmill.paths import Paths

NUM_DOCUMENTS, NUM_CLASSES, NUM_RESAMPLES = 7500, 20, 10_000
NETWORKS = ("bag_of_embeddings", "transformer")
FAST = {"tune.num_trials": 0, "train.epochs": 1, "tokenize.max_length": 256}


def measure_bootstrap(num_loops: int) -> dict[str, Any]:
    """Seconds of the processor, of our bootstrap and of scikit-learn's loop, both on one core."""
    rng = np.random.default_rng(0)
    labels_N = rng.choice(NUM_CLASSES, NUM_DOCUMENTS, p=rng.dirichlet(np.full(NUM_CLASSES, 20.0)))
    logits_NC = rng.normal(size=(NUM_DOCUMENTS, NUM_CLASSES)) + 3 * np.eye(NUM_CLASSES)[labels_N]
    probabilities_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    names = [f"class {i}" for i in range(NUM_CLASSES)]
    expected = judge_with_scikit_learn(labels_N, probabilities_NC)
    seconds = []
    with threadpool_limits(1):
        for _ in range(4):
            start = time.process_time()
            quality = assess(
                labels_N, probabilities_NC, names, top_k=2, confidence=0.95, num_resamples=NUM_RESAMPLES, seed=0
            )
            seconds.append(time.process_time() - start)
        groups = [np.flatnonzero(labels_N == label) for label in range(NUM_CLASSES)]
        start = time.process_time()
        for _ in range(num_loops):
            drawn_N = np.concatenate([rng.choice(group, len(group)) for group in groups])
            judge_with_scikit_learn(labels_N[drawn_N], probabilities_NC[drawn_N])
        loop = (time.process_time() - start) / num_loops
    assert quality.figures.keys() == expected.keys() - {"per_class"}
    assert all(abs(value - expected[name]) < 1e-6 for name, value in quality.figures.items())
    ours = float(np.median(seconds[1:]))  # the first one warms up
    return {
        "num_documents": NUM_DOCUMENTS,
        "num_classes": NUM_CLASSES,
        "num_resamples": NUM_RESAMPLES,
        "num_figures": len(quality.figures) + 5 * NUM_CLASSES,
        "seconds": round(ours, 3),
        "scikit_learn": {"loops": num_loops, "seconds_a_loop": round(loop, 4), "seconds": round(loop * NUM_RESAMPLES)},
        "times_faster": round(loop * NUM_RESAMPLES / ours),
    }


def judge_with_scikit_learn(labels_N: Any, probabilities_NC: Any) -> dict[str, Any]:
    """The figures of `assess`, those of each class under `per_class`."""
    from sklearn import metrics

    predicted_N, classes = probabilities_NC.argmax(axis=1), range(NUM_CLASSES)
    one_hot_NC = labels_N[:, None] == np.arange(NUM_CLASSES)
    averaged = {
        f"{name}_{average}": value
        for average in ("macro", "weighted")
        for name, value in zip(
            ("precision", "recall", "f1"),
            metrics.precision_recall_fscore_support(labels_N, predicted_N, average=average, zero_division=0),
            strict=False,  # the support comes last
        )
    }
    areas = metrics.roc_auc_score(one_hot_NC, probabilities_NC, average=None)
    precisions = metrics.average_precision_score(one_hot_NC, probabilities_NC, average=None)
    per_class = metrics.precision_recall_fscore_support(labels_N, predicted_N, labels=classes, zero_division=0)
    return {
        **averaged,
        "accuracy": metrics.accuracy_score(labels_N, predicted_N),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels_N, predicted_N),
        "f1_micro": metrics.f1_score(labels_N, predicted_N, average="micro"),
        "matthews": metrics.matthews_corrcoef(labels_N, predicted_N),
        "kappa": metrics.cohen_kappa_score(labels_N, predicted_N),
        "log_loss": metrics.log_loss(labels_N, probabilities_NC),
        "brier": metrics.brier_score_loss(labels_N, probabilities_NC, scale_by_half=False),
        "top_k": metrics.top_k_accuracy_score(labels_N, probabilities_NC, k=2),
        "roc_auc": areas.mean(),
        "average_precision": precisions.mean(),
        "per_class": [*per_class, areas, precisions],
    }


@contextmanager
def prepared(folder: Path | None, num_train: int) -> Iterator[Path]:
    """A clone with a bundle of every model; one that is given is kept."""
    if folder and (folder / "params.yaml").exists():
        make_models(folder, num_train)
        yield folder
        return
    with fresh_clone("20-newsgroups") as clone:
        make_models(clone, num_train)
        if folder:
            shutil.copytree(clone, folder, dirs_exist_ok=True, symlinks=True)
        yield folder or clone


def make_models(clone: Path, num_train: int) -> None:
    """Run the stages up to the bundles models/baseline and models/NETWORK-full; what is there stays."""

    def stage(name: str, *arguments: str) -> None:
        print(f"  {name} {' '.join(arguments)}", flush=True)
        run(clone, "python", "-m", f"pipeline.{name}", *arguments)

    if not (clone / "models/baseline/bundle").exists():
        set_values(clone / "params.yaml", FAST)
        for name in ("ingest", "clean", "split", "baseline"):
            stage(name)
        train = clone / "data/splits/train.parquet"
        pd.read_parquet(train).sample(num_train, random_state=0).to_parquet(train, index=False)
    for family in NETWORKS:
        if (clone / f"models/{family}-full/bundle").exists():
            continue
        set_values(clone / "params.yaml", {"model.family": family})
        for name in ("tokenize", "pretrain", "tune", "train"):
            stage(name)
        stage("compress", "full")
        (clone / "models/full").rename(clone / f"models/{family}-full")


def measure_overhead(bundle: Path, clone: Path, num_documents: int | None) -> dict[str, Any]:
    """Seconds of the pass over test, of the rest, and of its parts."""
    params, paths = load_params(ROOT / "params.yaml"), Paths(clone, clone)
    settings = Settings(**params.evaluate.model_dump(), seed=params.seed)
    test = read_table(paths.split("test"))[:num_documents]
    validation = read_table(paths.split("validation"))[:num_documents]
    with TemporaryDirectory(prefix="textmill-") as folder:
        report.evaluate(bundle, validation, settings, split="validation").write(Path(folder) / "validation")
        fitted = json.loads((Path(folder) / "validation/report.json").read_text(encoding="utf-8"))
        with timed() as seconds:
            start = time.perf_counter()
            found = report.evaluate(bundle, test, settings, split="test", fitted=fitted)
            found.write(Path(folder) / "test")
            whole = time.perf_counter() - start
    predictions = seconds.pop("predictions")
    return {
        "num_documents": len(test),
        "accuracy": round(found.metrics["accuracy"], 3),
        "latency_p50_ms": round(found.metrics["latency_p50_ms"], 3),
        "predictions_s": round(predictions, 2),
        "rest_s": round(whole - predictions, 2),
        "overhead": round((whole - predictions) / predictions, 3),
        "parts_s": {name: round(value, 2) for name, value in seconds.items()},
    }


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Seconds of the pass (`predictions`), of figures with intervals (`quality`), `throughput`, and of each part."""
    seconds: dict[str, float] = {}

    def time_as(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start

        return call

    names = {part: name for name, part in examination.PARTS.items()}
    find = examination._function
    replaced = [
        (report, "predict_one_by_one", time_as("predictions", report.predict_one_by_one)),
        (report, "throughput", time_as("throughput", report.throughput)),
        (report, "_assess", time_as("quality", report._assess)),
        (examination, "_function", lambda part: time_as(names[part], find(part))),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, function in replaced:
        setattr(module, name, function)
    try:
        yield seconds
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("bootstrap", "overhead"), required=True)
    parser.add_argument("--loops", type=int, default=20, help="resamples by scikit-learn")
    parser.add_argument("--clone", type=Path, help="folder of the clone, kept")
    parser.add_argument("--models", nargs="+", default=["baseline", *(f"{family}-full" for family in NETWORKS)])
    parser.add_argument("--train-documents", type=int, default=1000)
    parser.add_argument("--documents", type=int, help="so many of the test split only; writes no result")
    arguments = parser.parse_args()
    if arguments.part == "bootstrap":
        write_result("evaluation-bootstrap", measure_bootstrap(arguments.loops))
        return
    with prepared(arguments.clone, arguments.train_documents) as clone:
        found = {}
        for name in arguments.models:
            found[name] = measure_overhead(clone / f"models/{name}/bundle", clone, arguments.documents)
            print(f"{name}: {found[name]}", flush=True)
    if arguments.documents is None:
        write_result("evaluation-overhead", {"models": found})


if __name__ == "__main__":
    main()
