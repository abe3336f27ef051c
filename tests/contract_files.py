"""The tables that the contract looks at, made from documents, to be spoilt by a test and written where stages look."""

import pandas as pd

from textmill.artifacts import DOCUMENTS, QUARANTINE, RAW, write_json, write_table
from textmill.paths import SPLITS, Paths


class Files:
    """All tables of a run, as data frames.

    Attributes:
        raw, quarantine, clean, train, validation, test: tables with the columns of their schema.
    """

    def __init__(self, documents: pd.DataFrame, gone: pd.DataFrame | None = None) -> None:
        """Of every 20 documents of a class 14 go to train, 3 to validation and 3 to test.

        Args:
            documents: text and label of the clean documents; id, cluster and group where a test cares.
            gone: text, label and reason of the rows in quarantine.
        """
        documents = documents.reset_index(drop=True)
        numbers = pd.Series([f"{i:016x}" for i in range(len(documents))])
        defaults = {"id": "d" + numbers, "origin": numbers, "cluster": "c" + numbers, "split": None, "time": None}
        defaults["group"] = None
        missing = {name: value for name, value in defaults.items() if name not in documents}
        self.clean = documents.assign(**missing)[DOCUMENTS.names]
        place = documents.groupby("label").cumcount() % 20
        self.train, self.validation, self.test = (
            self.clean[place < 14], self.clean[(place >= 14) & (place < 17)], self.clean[place >= 17]
        )  # fmt: skip
        gone = pd.DataFrame({"text": [], "label": [], "reason": []}, dtype=str) if gone is None else gone
        ids = [f"q{i:016x}" for i in range(len(gone))]
        columns = {"id": ids, "origin": ids, "split": None, "group": None, "time": None, "kept_id": None}
        self.quarantine = gone.assign(**columns)[QUARANTINE.names]
        self.raw = pd.concat([self.clean[RAW.names], self.quarantine[RAW.names]], ignore_index=True)

    def split(self, name: str) -> pd.DataFrame:
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def write(self, paths: Paths) -> None:
        """Write all tables, and the record of a source."""
        write_table(paths.raw_documents, self.raw, RAW)
        write_table(paths.quarantine, self.quarantine, QUARANTINE)
        write_table(paths.clean_documents, self.clean, DOCUMENTS)
        for name in SPLITS:
            write_table(paths.split(name), self.split(name), DOCUMENTS)
        write_json(paths.source, {"uri": "data/inputs/own.csv", "sha256": "0" * 64})
