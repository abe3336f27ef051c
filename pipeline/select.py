"""Choose the variant to register: the best one on validation within the budget.

Reads: reports/validation/MODEL/metrics.json of every recipe of params.yaml and of the baseline; a removed recipe
    leaves its folder behind, so folders are never listed.
Writes: reports/selection.json, reports/pareto.csv.
Params: task, compress.recipes, select.
"""

import pandas as pd

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, read_json, write_json
from textmill.evaluation.selection import Budget, Candidate, select
from textmill.paths import BASELINE
from textmill.tasks import PRIMARY, PRIMARY_NAMES


def run(params: Params, paths: Paths) -> None:
    figures = {
        name: read_json(paths.evaluation("validation", name) / "metrics.json")
        for name in (*params.compress.recipes, BASELINE)
    }
    skipped = {name: row["skipped"] for name, row in figures.items() if "skipped" in row}
    candidates = [make_candidate(name, row) for name, row in figures.items() if name not in skipped]
    budget, allow_baseline = Budget(**params.select.budget.model_dump()), params.select.allow_baseline
    figure = PRIMARY_NAMES[PRIMARY[params.task]]
    selection = select(candidates, budget, params.select.prefer, allow_baseline=allow_baseline, figure=figure)
    write_json(paths.selection, {**selection, "skipped": skipped})
    table = pd.DataFrame(selection["candidates"])
    table["chosen"] = table["name"] == selection["chosen"]
    columns = ["name", "size_mb", "latency_p50_ms", "score", "on_pareto_front", "chosen"]
    with atomic(paths.pareto) as temporary:
        table[columns].to_csv(temporary, index=False)
    row = table[table["chosen"]].iloc[0]
    within = int(table["within_budget"].sum())
    print(
        f"select: {row['name']}, {within} of {len(table)} within the budget: {figure} {row['score']:.3f} "
        f"({-row['drop']:+.3f} against full), {row['size_mb']:.1f} MB, {row['latency_p50_ms']:.2f} ms"
    )
    for name, reason in skipped.items():
        print(f"select: {name} was skipped: {reason}")


def make_candidate(name: str, figures: dict[str, float]) -> Candidate:
    columns = ("score", "size_mb", "latency_p50_ms", "throughput_per_s")
    return Candidate(name=name, is_baseline=name == BASELINE, **{column: figures[column] for column in columns})


if __name__ == "__main__":
    main(run)
