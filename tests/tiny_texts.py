"""The documents of `tests.tiny_model.write_tokens` as the texts that they are tokens of."""

from hashlib import sha256
from pathlib import Path

import pandas as pd

from tests.tiny_model import META
from textmill.artifacts import DOCUMENTS, write_table
from textmill.data.tokens import TokenArrays


def texts_of(arrays: TokenArrays, split: str) -> pd.DataFrame:
    """The words of each document but its first token, which the tokenizer puts there."""
    texts = [" ".join(f"w{token}" for token in arrays[i][0][1:]) for i in range(len(arrays))]
    ids = [sha256(f"{split}{i}".encode()).hexdigest()[:16] for i in range(len(texts))]
    labels = [META["labels"][label] for label in arrays.labels]
    table = pd.DataFrame({"id": ids, "text": texts, "label": labels, "cluster": ids})
    return table.reindex(columns=DOCUMENTS.names)


def write_texts(tokens: Path, folder: Path) -> dict[str, Path]:
    """Write the tables of both splits of `tokens` into `folder`; return their paths by name."""
    paths = {split: folder / f"{split}.parquet" for split in ("train", "validation")}
    for split, path in paths.items():
        write_table(path, texts_of(TokenArrays.open(tokens, split), split), DOCUMENTS)
    return paths
