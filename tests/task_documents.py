"""Real reviews with several labels, or with a number, by rules on their words and their own label."""

import pandas as pd

from tests.corpora import movie_reviews
from textmill.tasks import join_labels

_FUNNY = r"\b(?:funny|comedy|comedies|comic|laugh|laughs|humor|hilarious)\b"
_STORY = r"\b(?:story|stories|plot|script|screenplay|characters?|tale|narrative)\b"


def several_labels() -> pd.DataFrame:
    """The movie reviews with any of the labels funny, positive and story; a third has none ("")."""
    documents = movie_reviews()
    given = {
        "funny": documents["text"].str.contains(_FUNNY),
        "positive": documents["label"] == "positive",
        "story": documents["text"].str.contains(_STORY),
    }
    rows = zip(*given.values(), strict=True)
    joined = [join_labels(name for name, has in zip(given, row, strict=True) if has) for row in rows]
    return documents.assign(label=pd.Series(joined, documents.index, "str"))


def numbers() -> pd.DataFrame:
    """The movie reviews with 70 for a positive one, 40 for another, 10 more for a funny one, as text."""
    documents = movie_reviews()
    values = 40.0 + 30.0 * (documents["label"] == "positive") + 10.0 * documents["text"].str.contains(_FUNNY)
    return documents.assign(label=pd.Series([repr(float(value)) for value in values], documents.index, "str"))


def documents_of(task: str) -> pd.DataFrame:
    return {"single_label": movie_reviews, "multi_label": several_labels, "regression": numbers}[task]()
