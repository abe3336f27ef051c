"""Fit the TF-IDF baseline and export it to a bundle; out-of-fold probabilities for the label audit.

Reads: data/splits/train.parquet, folds.parquet, validation.parquet (for the temperature only).
Writes: models/baseline/bundle, data/out_of_fold.parquet (id, label, p0, p1, ...).
Params: project, task, model.baseline.
"""

from pipeline import Params, Paths, main
from textmill import tracking
from textmill.artifacts import atomic, read_table, size_mb

CODE = ["artifacts.py", "baseline/export.py", "baseline/tfidf.py", "evaluation/calibration.py", "runtime.py"]


def run(params: Params, paths: Paths) -> None:
    import pandas as pd
    from tqdm import tqdm

    from textmill.baseline import tfidf
    from textmill.baseline.export import PAD_ID, export
    from textmill.evaluation.calibration import fit_temperature
    from textmill.runtime import write_bundle

    train, validation = read_table(paths.split("train")), read_table(paths.split("validation"))
    texts, labels = train["text"].tolist(), train["label"].tolist()
    folds = read_table(paths.folds).set_index("id")["fold"].loc[train["id"]].to_numpy()
    settings = params.model.baseline.model_dump(exclude={"character_ngrams", "max_character_features"})
    lineage = tracking.lineage("baseline", settings, CODE, [paths.split("train"), paths.split("validation")])
    with tracking.model_run(paths, params.project, "baseline", lineage["key"]):
        model = tfidf.fit(texts, labels, **settings)
        truth = validation["label"].map(model.labels.index).to_numpy()
        temperature = fit_temperature(model.logits(validation["text"].tolist()), truth)
        with atomic(paths.bundle("baseline")) as folder:
            folder.mkdir()
            export(model, folder)
            write_bundle(
                folder,
                family="tfidf",
                task=params.task,
                labels=model.labels,
                thresholds=None,
                target=None,
                max_length=None,
                long_documents={"strategy": "truncate"},
                pad_id=PAD_ID,
                temperature=temperature,
                recipe=[],
                parent=None,
                lineage=lineage,
            )
        with tqdm(desc="Folds", total=len(set(folds)), disable=None, leave=False) as bar:
            probabilities = tfidf.out_of_fold(texts, labels, folds, progress=bar.update, **settings)
        num_features = len(model.counter.vocabulary_)
        tracking.log(
            params={"family": "tfidf", **settings},
            metrics={"num_features": num_features, "temperature": temperature},
        )
    table = train[["id", "label"]].join(pd.DataFrame(probabilities.astype("float32")).add_prefix("p"))
    with atomic(paths.out_of_fold) as temporary:
        table.to_parquet(temporary, index=False)
    print(
        f"baseline: {num_features} n-grams of {len(train)} documents, {size_mb(paths.bundle('baseline')):.1f} MB; "
        f"temperature {temperature:.2f}"
    )


if __name__ == "__main__":
    main(run)
