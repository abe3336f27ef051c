"""A folder per class, a text file per document: `sports/001.txt` is a document labelled `sports`."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from textmill.data.sources.encodings import MAX_LINE_BYTES, UTF8, TextFile
from textmill.data.sources.errors import EmptySource, UnreadableSource
from textmill.data.sources.files import ORIGIN, Options, Place, in_batches, plain_suffix, walk

TABLES = {".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow"}
SAVED_DATASET = "dataset_dict.json"  # of a Hugging Face DatasetDict, whose folders are splits


class FolderPerClass:
    """The label is the folder's name; files in folders below it belong to it too. Hidden files are no documents.

    Raises:
        EmptySource: no class has a document, or just one has.
        UnreadableSource: the folders hold tables.
    """

    complete = True

    def __init__(self, place: Place, options: Options) -> None:
        self.place = place
        self.columns = ["text", "label"]
        self.re_encoded: list[dict[str, str]] = []
        self.ignored = place.others([])
        # Names below the root as text: a path each would hold four times as much.
        self._names: list[str] = []
        empty = []
        for folder in place.folders:
            names = [place.name(file) for file in walk(place, folder)]
            self._names += names
            if not names:
                empty.append(folder.name)
        self.num_files = len(self._names)
        self.notes: dict[str, object] = {"empty_classes": empty} if empty else {}
        self._check(empty)

    @staticmethod
    def fits(place: Place) -> bool:
        return bool(place.folders) and all(file.name != SAVED_DATASET for file in place.files)

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        self.re_encoded.clear()
        for batch in in_batches(self._documents(), batch_size, lambda row: len(row[0])):
            yield pd.DataFrame(batch, columns=[*self.columns, ORIGIN], dtype="str")

    def _documents(self) -> Iterator[tuple[str, str, str]]:
        for name in self._names:
            yield self._read(name), name.partition("/")[0], name

    def _read(self, name: str) -> str:
        file = TextFile(self.place.root / name)
        lines = []
        num_characters = 0
        for line in file.lines():
            lines.append(line)
            num_characters += len(line)
            if num_characters > MAX_LINE_BYTES:
                raise UnreadableSource(
                    f"{file.path} is longer than {MAX_LINE_BYTES >> 20} million characters, and no document is. "
                    "Move it out of the source."
                )
        if file.encoding != UTF8:
            self.re_encoded.append({"file": name, "encoding": file.encoding})
        return "".join(lines)

    def _check(self, empty: list[str]) -> None:
        root = self.place.root
        if not self._names:
            raise EmptySource(
                f"data.source ({root}) is a folder of empty folders. Put the documents of each class there."
            )
        if all(plain_suffix(Path(name)) in TABLES for name in self._names):
            raise UnreadableSource(
                f"{root} has tables in folders ({self._names[0]}), not a folder of text files per class. Name the "
                f"tables by a glob, such as data.source: {root}/**/*{Path(self._names[0]).suffix}, or one for each "
                "split."
            )
        filled = sorted({name.partition("/")[0] for name in self._names})
        if len(filled) < 2 and empty:
            raise EmptySource(
                f"data.source ({root}) has documents of one class alone, {filled[0]!r}; the folders "
                f"{', '.join(empty[:20])} are empty. A classifier needs two classes."
            )
