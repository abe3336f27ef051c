"""Each function spoils the tables of a healthy run in one way."""

import pandas as pd
import pyarrow.parquet as pq

from tests.contract_files import Files
from tests.corpora import movie_reviews


def healthy(num_documents=200):
    """Reviews in two classes of the same size, with four more in quarantine."""
    gone = pd.DataFrame({"text": ["", "ab", "same", "same"], "label": ["positive"] * 4})
    reasons = ["empty_text", "too_short", "duplicate", "near_duplicate"]
    documents = movie_reviews().groupby("label").head(num_documents // 2)
    return Files(documents[["text", "label"]], gone.assign(reason=reasons))


def lose(files):
    """A row that ingest read is nowhere."""
    files.raw = pd.concat([files.raw, files.raw[:1].assign(id="lost")])


def invent(files):
    files.quarantine = pd.concat([files.quarantine, files.quarantine[:1].assign(id="invented")])


def unname_raw(files):
    files.raw.loc[len(files.raw) - 1, "id"] = None


def repeat_raw(files):
    files.raw.loc[1, "id"] = files.raw.loc[0, "id"]


def quarantine_as(reason):
    def spoil(files):
        files.quarantine = pd.concat([files.quarantine.assign(id=f"{n}" + files.quarantine["id"]) for n in range(10)])
        files.quarantine["reason"] = reason
        files.raw = pd.concat([files.clean[list(files.raw)], files.quarantine[list(files.raw)]], ignore_index=True)

    return spoil


def unname_clean(files):
    files.clean.loc[0, "id"] = None


def repeat_clean(files):
    files.clean.loc[1, "id"] = files.clean.loc[0, "id"]


def unlabel(files):
    files.clean.loc[0, "label"] = None


def drop_from_split(files):
    files.train = files.train[1:]


def repeat_in_split(files):
    files.train = pd.concat([files.train, files.train[:1]])


def without_text(files):
    files.train.loc[files.train.index[0], "text"] = None


def shorten(files):
    files.test.loc[files.test.index[0], "text"] = "ab"


def lengthen(files):
    files.test.loc[files.test.index[0], "text"] = "a long word " * 9000


def starve_test(files):
    """All but one document of a class are in train."""
    gone = files.test[files.test["label"] == "positive"][1:]
    files.train, files.test = pd.concat([files.train, gone]), files.test.drop(gone.index)


def starve_validation(files):
    gone = files.validation[files.validation["label"] == "positive"][1:]
    files.train, files.validation = pd.concat([files.train, gone]), files.validation.drop(gone.index)


def starve_train(files):
    gone = files.train[files.train["label"] == "positive"][1:]
    files.test, files.train = pd.concat([files.test, gone]), files.train.drop(gone.index)


def share_text(files):
    files.test.loc[files.test.index[0], "text"] = files.train["text"].iloc[0].upper().replace(" ", "\n ")


def share_cluster(files):
    files.test.loc[files.test.index[0], "cluster"] = files.train["cluster"].iloc[0]


def share_group(files):
    files.test.loc[files.test.index[0], "group"] = "the same author"
    files.train.loc[files.train.index[:2], "group"] = "the same author"


def edit_train(rows, edit):
    def spoil(files):
        chosen = rows(files.train)
        files.train.loc[chosen, "text"] = files.train.loc[chosen, "text"].map(edit)

    return spoil


def every(n):
    return lambda table: table.index[::n]


def positives(share):
    return lambda table: table.index[table["label"] == "positive"][
        : round(share * (table["label"] == "positive").sum())
    ]


def rewrite(name, change):
    def spoil(paths):
        files = {"raw": paths.raw_documents, "quarantine": paths.quarantine, "clean": paths.clean_documents}
        path = files.get(name) or paths.split(name)
        pq.write_table(change(pq.read_table(path)), path)

    return spoil
