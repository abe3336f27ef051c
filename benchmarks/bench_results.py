"""Test figures of a family on a dataset with its preset: one command per row of docs/results.md.

    python -m benchmarks.bench_results --data reuters-r8 --family text_cnn [--seeds 10 20 30]
    python -m benchmarks.bench_results --data reuters-r8 --family transformer --variant pretrained
    python -m benchmarks.bench_results --data reuters-r8 --family lstm --variant wide --set model.lstm.hidden_size=512
    python -m benchmarks.bench_results --render

Each seed runs the pipeline in a fresh clone of the last commit up to the test split, with the defaults of the search
space instead of a search. The seed changes the validation split, the new weights and the order of training; the test
split too, where the dataset has none. Seeds are ten apart, because an ensemble takes the ones that follow.
A call that was killed is repeated: seeds that are in benchmarks/results/quality.json with the same settings stay.
`--cache DIR` shares DVC's cache between rows, so that a dataset is read and cleaned once.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from filelock import FileLock
from ruamel.yaml import YAML

from benchmarks.clone import ROOT, fresh_clone, run
from benchmarks.results_page import render
from benchmarks.results_settings import DATASETS, FAMILIES, SEEDS, VARIANTS, settings_of
from textmill.artifacts import read_json, write_json
from textmill.config import load_params
from textmill.evaluation.latency import hardware

RESULTS = ROOT / "benchmarks/results/quality.json"
FIGURES = ("accuracy", "f1_macro")


def set_values(params: Path, values: dict[str, Any]) -> None:
    """Write values by dotted key into params.yaml. Raises: InvalidParams."""
    yaml = YAML(typ="safe")
    document = yaml.load(params)
    for key, value in values.items():
        section, *names = document, *key.split(".")
        for name in names[:-1]:
            section = section[name]
        section[names[-1]] = value
    yaml.dump(document, params)
    load_params(params)


def measure(folder: Path, family: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Run the pipeline in the clone with a seed; return the figures on test."""
    set_values(folder / "params.yaml", {**settings, "model.family": family, "seed": seed})
    name = "baseline" if family == "baseline" else "full"
    start = time.perf_counter()
    run(folder, "dvc", "repro", "test-baseline" if name == "baseline" else "test@full")
    seconds = time.perf_counter() - start
    figures = read_json(folder / f"reports/test/{name}/metrics.json")
    return {
        "seed": seed,
        **{figure: round(figures[figure], 4) for figure in FIGURES},
        "num_test_documents": figures["num_documents"],
        "size_mb": round(figures["size_mb"], 1),
        "latency_p50_ms": round(figures["latency_p50_ms"], 2),
        "seconds": round(seconds),
    }


def summarise(row: dict[str, Any]) -> dict[str, Any]:
    """The row with mean and spread (sample standard deviation) over its runs."""
    figures = {}
    for figure in FIGURES:
        values = [measured[figure] for measured in row["runs"]]
        spread = round(statistics.stdev(values), 4) if len(values) > 1 else None
        figures[figure] = {"mean": round(statistics.fmean(values), 4), "spread": spread}
    return {**row, **figures, "seconds": round(statistics.fmean(measured["seconds"] for measured in row["runs"]))}


def keep(row: dict[str, Any]) -> None:
    """Put the row into the results, in the place of the one with its name; other processes may do the same."""
    with FileLock(Path(tempfile.gettempdir()) / "textmill-results.lock"):
        rows = [other for other in read_rows() if _name(other) != _name(row)]
        order = [*rows, summarise(row)]
        order.sort(key=lambda one: (DATASETS.index(one["data"]), FAMILIES.index(one["family"]), one["variant"] or ""))
        write_json(RESULTS, {"rows": order})
        render(order)


def read_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_json(RESULTS)["rows"] if RESULTS.exists() else []
    return rows


def _name(row: dict[str, Any]) -> tuple[str, str, str | None]:
    return row["data"], row["family"], row["variant"]


def fill(
    data: str, family: str, variant: str | None, changes: dict[str, Any], seeds: list[int], cache: Path | None
) -> None:
    """Measure the seeds that the row lacks, and keep each as it comes."""
    settings = settings_of(data, family, variant) | changes
    row: dict[str, Any] = {"data": data, "family": family, "variant": variant, "settings": settings, "runs": []}
    row |= {"set": changes, "hardware": hardware()}
    row["commit"] = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    found = [one for one in read_rows() if _name(one) == _name(row) and one["settings"] == settings]
    row["runs"] = [measured for one in found for measured in one["runs"] if measured["seed"] in seeds]
    missing = [seed for seed in seeds if seed not in {measured["seed"] for measured in row["runs"]}]
    if not missing:
        return
    with fresh_clone(data) as folder:
        if cache:
            run(folder, "dvc", "config", "--local", "cache.dir", str(cache.resolve()))
        for seed in missing:
            measured = measure(folder, family, seed, settings)
            print(f"{data}, {family}{f', {variant}' if variant else ''}: {measured}", flush=True)
            row["runs"] = sorted([*row["runs"], measured], key=lambda one: one["seed"])
            keep(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATASETS)
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--variant", help=f"{', '.join(VARIANTS)}, or a name of your own for what --set changes")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="params.yaml values, YAML after =")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--cache", type=Path, help="folder for DVC's cache, shared between rows")
    parser.add_argument("--render", action="store_true", help="only write docs/results.md anew")
    arguments = parser.parse_args()
    if not arguments.render:
        if not arguments.data or not arguments.family:
            parser.error("--data and --family say which row to measure")
        changes = {key: YAML(typ="safe").load(value) for key, _, value in (one.partition("=") for one in arguments.set)}
        fill(arguments.data, arguments.family, arguments.variant, changes, arguments.seeds, arguments.cache)
    render(read_rows())


if __name__ == "__main__":
    main()
