"""Every model against every other on the test split; it is told in the report, and decides nothing.

Reads: reports/test/MODEL metrics.json and predictions.parquet of every recipe of params.yaml and of the baseline; a
    removed recipe leaves its folder behind, so folders are never listed.
Writes: reports/comparison.json.
Params: seed, task, compress.recipes, evaluate.confidence, gate.margin, gate.confidence, gate.num_resamples.
"""

from collections import Counter

import pandas as pd

from pipeline import Params, Paths, main
from textmill.artifacts import read_json, read_table, write_json
from textmill.paths import BASELINE


def run(params: Params, paths: Paths) -> None:
    from textmill.evaluation.comparisons import compare_models, rules_of
    from textmill.evaluation.primary import name_primary

    tables = read_answers(paths, [*params.compress.recipes, BASELINE])
    actual = tables[BASELINE]["label"]
    for name, table in tables.items():
        # DVC makes all of them from one test.parquet, in its order; of other documents nothing could be said.
        assert table.index.equals(actual.index) and table["label"].equals(actual), f"{name} answered another test split"
    rules = rules_of(params)
    predicted = {name: table["predicted"].to_numpy(dtype=object) for name, table in tables.items()}
    comparison = compare_models(params.task, actual.to_numpy(dtype=object), predicted, rules)
    write_json(paths.comparison, comparison.to_json())
    verdicts = Counter(pair.verdict for pair in comparison.pairs)
    differ = verdicts["better"] + verdicts["worse"]
    print(
        f"compare: {len(tables)} models, {len(comparison.pairs)} pairs on {len(actual)} documents: {differ} differ in "
        f"{name_primary(params.task)}, {verdicts['equivalent']} are equivalent within {100 * rules.margin:g} points, "
        f"{verdicts['not decided']} not decided"
    )


def read_answers(paths: Paths, names: list[str]) -> dict[str, pd.DataFrame]:
    """Label and answer by document of each model that was not skipped."""
    folders = {name: paths.evaluation("test", name) for name in names}
    made = {name: folder for name, folder in folders.items() if "skipped" not in read_json(folder / "metrics.json")}
    columns = ["id", "label", "predicted"]
    return {name: read_table(folder / "predictions.parquet", columns).set_index("id") for name, folder in made.items()}


if __name__ == "__main__":
    main(run)
