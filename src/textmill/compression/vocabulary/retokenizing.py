"""Token arrays of the splits for another tokenizer than that of data/tokens, made of the texts.

Ids alone would not do: what a tokenizer without some tokens makes of a word that was cut at max_length, or of text that
the old one normalised or did not know, only the text says.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textmill.artifacts import MissingArtifact, atomic, iter_table, write_json
from textmill.bundle import read_manifest
from textmill.data.tokenization.encoding import Encoder
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import Encoded, Integers, read_meta, summarise, write_split
from textmill.training.dataset import TrainingData

_BATCH = 2048  # documents whose texts are held at a time
SPLITS = ("train", "validation")


def open_tokens(
    parent: Path, tokens: Path, splits: Mapping[str, Path], max_length: int | None, scratch: Path
) -> TrainingData:
    """The token arrays that the model folder `parent` reads.

    Those of data/tokens, unless a recipe has trimmed its vocabulary: then they are made anew in the folder `scratch`.

    Args:
        splits: tables with the texts of `tokens`.
        max_length: as in the parent's description.

    Raises: MissingArtifact, UnfitLength.
    """
    own = parent / "bundle/tokenizer.json"
    if not own.exists() or own.read_bytes() == (tokens / "tokenizer.json").read_bytes():
        return TrainingData.open(tokens).truncate(max_length)
    manifest = read_manifest(own.parent, verify=False)
    data = TrainingData.open(tokens).truncate(max_length)
    retokenize(scratch, data, splits, load_tokenizer(own.parent), manifest["pad_id"])
    return TrainingData.open(scratch)


def retokenize(
    folder: Path, data: TrainingData, splits: Mapping[str, Path], tokenizer: Tokenizer, pad_id: int
) -> dict[str, Counter[str]]:
    """Write a tokens folder of the same documents, read by `tokenizer`, and return the counts of `Encoder` by split.

    Held in memory: a batch of texts and its tokens.

    Args:
        data: the documents as token arrays; labels, lengths and everything else about them stay.
        splits: tables with their texts.

    Raises: MissingArtifact.
    """
    assert data.folder is not None
    meta, size, counts = read_meta(data.folder), tokenizer.get_vocab_size(), {}
    with atomic(folder) as temporary:
        temporary.mkdir(parents=True)
        for split in SPLITS:
            encoder = Encoder(tokenizer, data.max_length, meta["long_documents"])
            labels = np.load(data.folder / f"{split}.labels.npy", mmap_mode="r", allow_pickle=False)
            write_split(temporary, split, _encode(encoder, splits[split], labels), size)
            counts[split] = encoder.counts
        tokenizer.save(str(temporary / "tokenizer.json"))
        told = {key: meta[key] for key in ("task", "labels", "target", "long_documents")}
        write_json(
            temporary / "tokens.json",
            {
                **told,
                "max_length": data.max_length,
                "pad_id": pad_id,
                "vocabulary_size": size,
                "tokenizer": {"kind": "trimmed"},
                "splits": {split: summarise(temporary, split, counts[split]) for split in SPLITS},
            },
        )
    return counts


def _encode(encoder: Encoder, table: Path, labels: NDArray[Any]) -> Iterator[tuple[Encoded, NDArray[Any], Integers]]:
    """Windows, labels and numbers of windows of each batch."""
    first = 0
    for batch in iter_table(table, _BATCH, ["text"]):
        encoded, num_windows = encoder.encode(batch["text"].tolist())
        yield encoded, labels[first : first + len(batch)], num_windows
        first += len(batch)
    if first != len(labels):
        raise MissingArtifact(
            f"{table} has {first} documents, but data/tokens has {len(labels)}: they are not of one run. `dvc repro` "
            "makes both anew."
        )
