"""Token arrays of train and validation, with the tokenizer of the weights or one trained on the train split.

Reads: data/splits/train.parquet, data/splits/validation.parquet, the weights' tokenizer and config;
    data/validation/report.json (no tokens from data that breach the contract).
Writes: data/tokens (tokens.json, tokenizer.json, SPLIT.ids.npy, SPLIT.offsets.npy, SPLIT.windows.npy,
    SPLIT.labels.npy).
Params: task, tokenize, model.weights.
"""

from collections.abc import Iterable
from typing import Any

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, write_json
from textmill.assets import provenance, resolve

SPLITS = ("train", "validation")  # nothing sees the test split before the gate


def run(params: Params, paths: Paths) -> None:
    from textmill.data.tokenization.stage import describe, tokenize
    from textmill.models.weight_files import check_whole

    settings, uri = params.tokenize, params.model.weights
    weights = resolve(uri)
    check_whole(weights)  # which are read three stages later only
    with atomic(paths.tokens) as folder:
        folder.mkdir()
        meta = tokenize(
            weights,
            {split: paths.split(split) for split in SPLITS},
            folder,
            task=params.task,
            max_length=settings.max_length,
            long_documents=settings.long_documents.model_dump(),
            trained=settings.trained.model_dump() if settings.tokenizer == "trained" else None,
            progress=show_progress,
        )
        write_json(folder / "tokens.json", {**meta, "weights": provenance(uri)})
    for line in describe(meta):
        print(f"tokenize: {line}")


def show_progress(batches: Iterable[Any], what: str, num_batches: int) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(batches, what, num_batches, console=console, transient=True, disable=not console.is_terminal)


if __name__ == "__main__":
    main(run)
