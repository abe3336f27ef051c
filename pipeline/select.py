"""Choose the variant to register: the best one on validation within the budget.

Reads: reports/validation/MODEL/metrics.json of every recipe of params.yaml and of the baseline; a removed recipe
    leaves its folder behind, so folders are never listed.
Writes: reports/selection.json, reports/pareto.csv.
Params: compress, select.
"""

import pandas as pd

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, read_json, write_json
from textmill.evaluation.selection import Budget, Candidate, select

BASELINE = "baseline"


def run(params: Params, paths: Paths) -> None:
    candidates = [read_candidate(paths, name) for name in (*params.compress.recipes, BASELINE)]
    budget = Budget(**params.select.budget.model_dump())
    selection = select(candidates, budget, params.select.prefer, allow_baseline=params.select.allow_baseline)
    write_json(paths.selection, selection)
    table = pd.DataFrame(selection["candidates"])
    table["chosen"] = table["name"] == selection["chosen"]
    columns = ["name", "size_mb", "latency_p50_ms", "f1_macro", "on_pareto_front", "chosen"]
    with atomic(paths.pareto) as temporary:
        table[columns].to_csv(temporary, index=False)
    row = table[table["chosen"]].iloc[0]
    within = int(table["within_budget"].sum())
    print(
        f"select: {row['name']}, {within} of {len(table)} within the budget: macro-F1 {row['f1_macro']:.3f} "
        f"({-row['drop']:+.3f} against full), {row['size_mb']:.1f} MB, {row['latency_p50_ms']:.2f} ms"
    )


def read_candidate(paths: Paths, name: str) -> Candidate:
    figures = read_json(paths.evaluation("validation", name) / "metrics.json")
    columns = ("f1_macro", "size_mb", "latency_p50_ms", "throughput_per_s")
    return Candidate(name=name, is_baseline=name == BASELINE, **{column: figures[column] for column in columns})


if __name__ == "__main__":
    main(run)
