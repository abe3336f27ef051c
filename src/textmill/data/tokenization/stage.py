"""From the splits to token arrays, and what is told of them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textmill.artifacts import iter_table
from textmill.data.text_samples import Survey, read_texts, survey
from textmill.data.tokenization.costs import (
    SAMPLE_CHARACTERS,
    SAMPLE_DOCUMENTS,
    max_length_costs,
    measure,
    read_shape,
    say_costs,
)
from textmill.data.tokenization.encoding import Encoder
from textmill.data.tokenization.targets import Targets
from textmill.data.tokenization.tokenizer import (
    check_length,
    check_padding,
    find_pad_id,
    find_positions,
    find_token,
    load_tokenizer,
)
from textmill.data.tokenization.training import MAX_CHARACTERS, train_tokenizer
from textmill.data.tokens import Encoded, Integers, summarise, write_split
from textmill.tasks import Task

_BATCH = 2048  # documents whose texts are held at a time
Progress = Callable[[Iterable[pd.DataFrame], str, int], Iterable[pd.DataFrame]]  # batches, what is done, their number


class Chosen(NamedTuple):
    """A tokenizer, the id that fills up short documents, and what tokens.json says of where it came from."""

    tokenizer: Tokenizer
    pad_id: int
    description: dict[str, Any]


def tokenize(
    weights: Path,
    splits: dict[str, Path],
    folder: Path,
    *,
    task: Task,
    max_length: int,
    long_documents: dict[str, Any],
    trained: dict[str, Any] | None,
    progress: Progress,
) -> dict[str, Any]:
    """Write tokenizer.json and the arrays of every split into `folder`; return the content of tokens.json.

    Held in memory: a batch of texts, its tokens, and some 60 bytes a document.

    Args:
        splits: table by name of the split; `train` gives the labels and, if one is trained, the tokenizer.
        long_documents: how documents of more than max_length tokens are read, as in params.yaml.
        trained: the settings of `train_tokenizer`; None takes the tokenizer of the weights.
        progress: shows how far the batches are.

    Raises:
        UnusableTokenizer, UntrainableTokenizer, UnusableWindows, UnknownLabel, ConstantTarget,
        UnusableTarget.
        MissingArtifact: a split is not there.
    """
    surveys = {name: survey(path) for name, path in splits.items()}
    chosen = choose_tokenizer(weights, max_length, trained, splits["train"], surveys["train"])
    tokenizer, size = chosen.tokenizer, chosen.tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    targets = Targets.of_train(task, splits["train"])
    figures, whole = {}, {}
    for name, path in splits.items():
        encoder = Encoder(tokenizer, max_length, long_documents)
        num_batches = -(-len(surveys[name].hashes) // _BATCH)
        batches = progress(iter_table(path, _BATCH), f"Tokenizing {name}", num_batches)
        write_split(folder, name, _encode(encoder, batches, targets, path), size)
        rows = surveys[name].first(SAMPLE_DOCUMENTS, SAMPLE_CHARACTERS)
        whole[name] = measure(tokenizer, read_texts(path, rows))
        figures[name] = {**summarise(folder, name, encoder.counts), **whole[name].describe()}
    return {
        "task": task,
        "labels": targets.labels,
        "target": targets.target,
        "max_length": max_length,
        "long_documents": long_documents,
        "pad_id": chosen.pad_id,
        "vocabulary_size": size,
        "tokenizer": chosen.description,
        "splits": figures,
        "max_length_costs": max_length_costs(
            whole["train"], max_length, long_documents, find_positions(weights), read_shape(weights)
        ),
    }


def choose_tokenizer(
    weights: Path, max_length: int, trained: dict[str, Any] | None, train: Path, documents: Survey
) -> Chosen:
    """The tokenizer of the weights, or one that is trained in its frame on the table `train`.

    Raises: UnusableTokenizer, UntrainableTokenizer.
    """
    check_length(weights, max_length)
    own, pad_id = load_tokenizer(weights), find_pad_id(weights)
    if trained is None:
        return Chosen(own, pad_id, {"kind": "weights"})
    rows = documents.first(len(documents.hashes), MAX_CHARACTERS)
    pad_token = find_token(weights, own, pad_id)
    tokenizer = train_tokenizer(lambda: read_texts(train, rows), own, pad_token, **trained)
    new_pad_id = tokenizer.token_to_id(pad_token)
    assert new_pad_id is not None
    check_padding(weights, pad_id, new_pad_id)
    learned = {"num_documents": len(rows), "num_characters": int(documents.characters[rows].sum())}
    return Chosen(tokenizer, new_pad_id, {"kind": "trained", **trained, **learned})


def describe(meta: dict[str, Any]) -> list[str]:
    """What the stage prints: the tokens of the train split, the tokenizer, and what max_length costs."""
    train, origin = meta["splits"]["train"], meta["tokenizer"]
    kind = "tokenizer of the weights"
    if origin["kind"] == "trained":
        kind = f"{origin['algorithm']} trained on {origin['num_documents']:,} documents"
    windows = "" if train["num_windows"] == train["num_documents"] else f"{train['num_windows']:,} windows, "
    return [
        f"{train['num_documents']:,} train documents, {windows}{train['num_tokens']:,} tokens "
        f"(median {train['tokens_p50']:g}), {train['fertility']:.2f} a word, {train['unknown_share']:.2%} unknown; "
        f"{kind}, {meta['vocabulary_size']:,} tokens",
        say_costs(meta["max_length_costs"]),
    ]


def _encode(
    encoder: Encoder, batches: Iterable[pd.DataFrame], targets: Targets, path: Path
) -> Iterator[tuple[Encoded, NDArray[Any], Integers]]:
    """Windows, labels and numbers of windows of each batch. Raises: UnknownLabel."""
    for batch in batches:
        labels = targets.encode(batch, path)
        encoded, num_windows = encoder.encode(batch["text"].tolist())
        yield encoded, labels, num_windows
