"""Test figures of every model over several seeds: mean and spread.

    python -m benchmarks.bench_quality [--preset bbc-news] [--seeds 1 2 3]

The seed changes the split, the search, the new head and the order of training. The gate and the report are left out,
and so is a recipe that does not apply to the family. `score` is the task's primary figure (macro-F1 or R²).
"""

import argparse
import statistics

from benchmarks.clone import fresh_clone, run, write_result
from textmill.artifacts import read_json
from textmill.config import load_params

FIGURES = ("score", "size_mb", "latency_p50_ms", "throughput_per_s")


def figures_of(seed: int, preset: str | None) -> dict[str, dict[str, float]]:
    with fresh_clone(preset) as folder:
        params = folder / "params.yaml"
        text = params.read_text(encoding="utf-8")
        old = load_params(params).seed
        params.write_text(text.replace(f"\nseed: {old}\n", f"\nseed: {seed}\n"), encoding="utf-8")
        assert load_params(params).seed == seed
        names = [*load_params(params).compress.recipes, "baseline"]
        tests = [f"test@{name}" for name in names[:-1]]
        run(folder, "dvc", "repro", "select", "test-baseline", *tests)
        found = {name: read_json(folder / f"reports/test/{name}/metrics.json") for name in names}
        figures = {name: metrics for name, metrics in found.items() if "skipped" not in metrics}
        chosen = read_json(folder / "reports/selection.json")["chosen"]
        figures["chosen"] = {**figures[chosen], "name": chosen}
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    runs = {}
    for seed in arguments.seeds:
        runs[seed] = figures_of(seed, arguments.preset)
        print(f"seed {seed}: " + ", ".join(f"{name} {figures['score']:.4f}" for name, figures in runs[seed].items()))
    models = {}
    for name in runs[arguments.seeds[0]]:
        models[name] = {}
        for figure in FIGURES:
            values = [runs[seed][name][figure] for seed in arguments.seeds]
            models[name][figure] = {"mean": round(statistics.mean(values), 4), "values": [round(v, 4) for v in values]}
    models["chosen"]["names"] = [runs[seed]["chosen"]["name"] for seed in arguments.seeds]
    write_result(f"quality-{arguments.preset or 'default'}", {"seeds": arguments.seeds, "models": models})


if __name__ == "__main__":
    main()
