"""Fit the TF-IDF baseline and export it to a bundle; out-of-fold answers for the label audit.

Reads: data/splits/train.parquet, folds.parquet, validation.parquet (for temperature and thresholds only).
Writes: models/baseline/bundle, data/out_of_fold.parquet (id, label, and p0, p1, ... of the sorted labels; for
    regression p0, the number).
Params: project, task, model.baseline.
"""

from pipeline import Params, Paths, main
from textmill import tracking
from textmill.artifacts import atomic, read_table, size_mb

CODE = [
    "artifacts.py",
    "baseline/export.py",
    "baseline/family.py",
    "baseline/linear.py",
    "baseline/tfidf.py",
    "baseline/truth.py",
    "bundle.py",
    "evaluation/answers.py",
    "evaluation/temperature.py",
    "evaluation/thresholds.py",
    "long_documents.py",
    "engines.py",
    "runtime.py",
    "tasks.py",
]


def run(params: Params, paths: Paths) -> None:
    import pandas as pd
    from tqdm import tqdm

    from textmill.baseline import tfidf
    from textmill.baseline.family import FAMILY, write_baseline_bundle

    train, validation = read_table(paths.split("train")), read_table(paths.split("validation"))
    folds = read_table(paths.folds).set_index("id")["fold"].loc[train["id"]].to_numpy()
    settings = params.model.baseline.model_dump()
    used = {"task": params.task, **settings}
    lineage = tracking.lineage("baseline", used, CODE, [paths.split("train"), paths.split("validation")])
    with tracking.model_run(paths, params.project, "baseline", lineage["key"]):
        counts = tfidf.count_ngrams(train["text"].tolist(), tfidf.Settings(**settings))
        with atomic(paths.bundle("baseline")) as folder:
            baseline = write_baseline_bundle(
                folder, train, validation, settings, params.task, lineage, parent=None, recipe=[], counts=counts
            )
        with tqdm(desc="Folds", total=len(set(folds)), disable=None, leave=False) as bar:
            answers = tfidf.out_of_fold(
                counts, baseline.model.truth, folds, params.model.baseline.regularisation, bar.update
            )
        tracking.log(
            params={"family": FAMILY, **settings},
            metrics={"num_features": baseline.num_features, "temperature": baseline.temperature},
        )
    table = train[["id", "label"]].join(pd.DataFrame(answers.astype("float32")).add_prefix("p"))
    with atomic(paths.out_of_fold) as temporary:
        table.to_parquet(temporary, index=False)
    print(
        f"baseline: {baseline.num_features} n-grams of {len(train)} documents, "
        f"{size_mb(paths.bundle('baseline')):.1f} MB; temperature {baseline.temperature:.2f}"
    )


if __name__ == "__main__":
    main(run)
