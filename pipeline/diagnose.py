"""What the chosen model gets wrong on test, and why: the worst mistakes explained, and what is like them.

Reads: reports/selection.json, reports/test/NAME/predictions.parquet of every recipe and of the baseline (and the
    latter's report.json), data/splits/train.parquet and test.parquet, data/audit/label_issues.parquet; the chosen
    model's bundle, and torch/ of it or of the nearest model it was made from.
Writes: reports/diagnosis.json. It is logged to the run of the chosen model.
Params: project, seed, compress.recipes, evaluate.confidence, evaluate.num_resamples, diagnose,
    report.include_texts.
"""

from pathlib import Path
from typing import Any

from pipeline import Params, Paths, main
from textmill import tracking
from textmill.artifacts import iter_table, read_json, read_table, write_json
from textmill.paths import BASELINE


def run(params: Params, paths: Paths) -> None:
    from tqdm import tqdm

    from textmill.bundle import read_manifest
    from textmill.diagnosis.report import Material, Settings, diagnose

    selection = read_json(paths.selection)
    chosen = selection["chosen"]
    parents = {name: recipe.parent for name, recipe in params.compress.recipes.items()}
    tested = [name for name in (*parents, BASELINE) if name not in selection["skipped"]]
    material = Material(
        chosen=chosen,
        bundle=paths.bundle(chosen),
        weights=find_weights(chosen, parents, paths),
        answers={name: read_table(paths.evaluation("test", name) / "predictions.parquet") for name in tested},
        baseline=BASELINE,
        baseline_labels=read_json(paths.evaluation("test", BASELINE) / "report.json")["labels"],
        parents=parents,
        test=read_table(paths.split("test"), columns=["id", "text"]),
        train=iter_table(paths.split("train"), columns=["id", "text", "label"]),
        doubted_train=set(read_table(paths.label_issues, columns=["id"])["id"]),
    )
    values = params.diagnose.model_dump() | params.evaluate.model_dump(include={"confidence", "num_resamples"})
    if not params.report.include_texts:
        values["words_per_class"] = 0
    with tqdm(desc="mistakes explained", total=params.diagnose.documents, disable=None, leave=False) as bar:
        diagnosis = diagnose(material, Settings(**values, seed=params.seed), bar.update)
    write_json(paths.diagnosis, diagnosis)
    key = read_manifest(paths.bundle(chosen), verify=False)["lineage"]["key"]
    with tracking.model_run(paths, params.project, chosen, key):
        tracking.log(artifacts=paths.diagnosis)
    print(summarise(diagnosis))


def find_weights(name: str, parents: dict[str, str], paths: Paths) -> tuple[str, Path] | None:
    """The model, or the nearest of those it was made from, that has PyTorch weights, and their folder."""
    while not (folder := paths.model(name) / "torch").exists():
        if name not in parents:
            return None
        name = parents[name]
    return name, folder


def summarise(diagnosis: dict[str, Any]) -> str:
    """One line for people."""
    wrong = "" if diagnosis["num_mistakes"] is None else f"{diagnosis['num_mistakes']:,} mistakes in "
    explained = sum(mistake["explanation"] is not None for mistake in diagnosis["mistakes"])
    by = "".join(f" by {row['method']}" for row in diagnosis["faithfulness"] if row["shown"])
    late = "".join(f"; no time for {left_out}" for left_out in diagnosis["left_out"])
    documents = f"{wrong}{diagnosis['num_documents']:,} documents"
    return f"diagnose: {diagnosis['model']}: {documents}, {explained} explained{by}{late}"


if __name__ == "__main__":
    main(run)
