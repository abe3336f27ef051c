"""Tables of texts and their token arrays, as the stages leave them, for any tokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from tests.tiny_model import META
from textmill.artifacts import DOCUMENTS, write_json, write_table
from textmill.data.tokenization.encoding import Encoder
from textmill.data.tokens import write_split


def write_texts(root: Path, tokenizer: Tokenizer, texts: Mapping[str, list[str]], **meta: Any) -> dict[str, Path]:
    """Write data/splits and data/tokens of two classes in turn; return the table of each split.

    Args:
        texts: of `train` and `validation`.
        meta: changes tokens.json.
    """
    folder = root / "data/tokens"
    folder.mkdir(parents=True)
    told = {**META, "pad_id": tokenizer.token_to_id("[PAD]"), "vocabulary_size": tokenizer.get_vocab_size(), **meta}
    tables = {}
    for split, documents in texts.items():
        tables[split] = root / f"data/splits/{split}.parquet"
        tables[split].parent.mkdir(exist_ok=True)
        table = pd.DataFrame({"text": documents}).reindex(columns=DOCUMENTS.names)
        write_table(tables[split], table.astype(object).where(table.notna(), None), DOCUMENTS)
        encoder = Encoder(tokenizer, told["max_length"], told["long_documents"])
        encoded, num_windows = encoder.encode(documents)
        labels = (np.arange(len(documents)) % 2).astype(np.uint32)
        write_split(folder, split, [(encoded, labels, num_windows)], told["vocabulary_size"])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokens.json", told)
    return tables
