"""Words that give a class away: a source's tag, a header, a signature.

A model that learns one of them looks excellent on the test split, which has it too, and fails on texts from elsewhere.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from textmill.tasks import Task, labels_of

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix, csr_matrix

# Fewer documents with a word, or of a class, prove nothing: in a small class some natural word is in nearly all texts.
MIN_DOCUMENTS = 10
# Chance that any word of data with random labels counts at all, all words and classes together.
SIGNIFICANCE = 0.01
MAX_AFFIX_WORDS = 3
_AFFIX_CHARACTERS = 200  # the first and last words are looked for in so many
_CANDIDATES = 50  # the strongest of a class that are tested for significance
_CLASSES_AT_ONCE = 32
_MAX_SHOWN = 60
# Scripts that put no space between words; each of their characters counts as a word.
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_WORD = rf"{_UNSPACED}|\w+|[^\w\s]+"
_AFFIX_WORD = re.compile(rf"{_UNSPACED}|(?:(?!{_UNSPACED})\S)+")
_START, _END = "starts with", "ends with"


@dataclass(frozen=True)
class Shortcut:
    """The words that tell one class best.

    Attributes:
        label: the class.
        correlation: Matthews correlation of "the text has the words" with "the document is of the class", -1 to 1;
            0 where nothing is better than chance.
        words: in lower case; empty where nothing is better than chance.
        place: "" for anywhere, or `starts with`, `ends with`.
        rows: positions of the first documents that hold the words (for a positive correlation, of the class).
    """

    label: str
    correlation: float
    words: str
    place: str
    rows: list[int]

    @property
    def strength(self) -> float:
        return abs(self.correlation)

    def describe(self, *, include_texts: bool) -> str:
        """Such as: a text that has “reuters” is of the label “real”."""
        shown = self.words if len(self.words) <= _MAX_SHOWN else f"{self.words[:_MAX_SHOWN]}…"
        named = f"“{shown}”" if include_texts else "a certain word"
        verdict = "is" if self.correlation > 0 else "is not"
        return f"a text that {self.place or 'has'} {named} {verdict} of the label “{self.label}”"


def find_word_shortcuts(texts: Sequence[str], labels: Sequence[str], task: Task = "single_label") -> list[Shortcut]:
    """The word that tells each class best, by its presence anywhere in a text; the strongest class first.

    Words are compared in lower case; a run of punctuation counts as a word, and so does a character of a script without
    spaces. Classes and words with fewer than ten documents are left out, and so is what chance could do: p of Fisher's
    exact test (one-sided), times the number of words and classes (Bonferroni), must be at most 0.01.

    With several labels a document, each label is a class that a document is of or not.

    Source of the measure: B. W. Matthews, Biochimica et Biophysica Acta 405 (1975) 442-451; for two binary variables it
    equals Pearson's phi.
    """
    return _find(texts, labels, task, token_pattern=_WORD)


def find_affix_shortcuts(texts: Sequence[str], labels: Sequence[str], task: Task = "single_label") -> list[Shortcut]:
    """The same for the first one to three words of a text, and for its last one to three, in their order."""
    return _find(texts, labels, task, analyzer=_affixes)


def _affixes(text: str) -> Iterator[str]:
    first = _AFFIX_WORD.findall(text[:_AFFIX_CHARACTERS].lower())[:MAX_AFFIX_WORDS]
    last = _AFFIX_WORD.findall(text[-_AFFIX_CHARACTERS:].lower())[-MAX_AFFIX_WORDS:]
    for n in range(1, len(first) + 1):
        yield f"{_START}\n{' '.join(first[:n])}"
        yield f"{_END}\n{' '.join(last[-n:])}"


def _find(texts: Sequence[str], labels: Sequence[str], task: Task, **how: Any) -> list[Shortcut]:
    names, has_label = _mark(labels, task)
    sizes = np.asarray(has_label.sum(axis=0)).ravel()
    classes = np.flatnonzero((sizes >= MIN_DOCUMENTS) & (sizes < len(texts)))
    presence, tokens = _count(texts, how)
    if not len(classes) or not len(tokens):
        return []
    alpha = SIGNIFICANCE / (len(tokens) * len(classes))
    found = []
    for start in range(0, len(classes), _CLASSES_AT_ONCE):
        part = classes[start : start + _CLASSES_AT_ONCE]
        is_class = has_label[:, part].toarray().astype(float)
        together = np.asarray(presence.T @ is_class)
        for column, code in enumerate(part):
            best, correlation = _strongest(together[:, column], presence, int(sizes[code]), alpha)
            place, _, words = tokens[best].rpartition("\n") if correlation else ("", "", "")
            holds = presence[:, [best]].toarray().ravel() > 0
            rows = np.flatnonzero(holds & ((is_class[:, column] > 0) | (correlation < 0)))[:MIN_DOCUMENTS].tolist()
            found.append(Shortcut(names[code], correlation, words, place, rows))
    # Of two classes that are each other's opposite, the one that has the words comes first.
    return sorted(found, key=lambda shortcut: (-round(shortcut.strength, 9), shortcut.correlation < 0, shortcut.label))


def _mark(labels: Sequence[str], task: Task) -> tuple[list[str], "csc_matrix"]:
    """The labels in alphabetical order, and whether a document has each: [documents, labels]."""
    from scipy.sparse import csr_matrix

    codes, columns = pd.factorize(np.asarray(labels, dtype=object))
    sets = [labels_of(str(column), task) for column in columns]
    names = sorted({name for each in sets for name in each})
    index = {name: number for number, name in enumerate(names)}
    entries = [(row, index[name]) for row, each in enumerate(sets) for name in each]
    rows, ids = zip(*entries, strict=True) if entries else ((), ())
    has_label = csr_matrix((np.ones(len(entries), np.int64), (rows, ids)), shape=(len(sets), len(names)))
    return names, has_label[codes].tocsc()


def _count(texts: Sequence[str], how: dict[str, Any]) -> tuple["csc_matrix", npt.NDArray[np.object_]]:
    """Presence [documents, tokens] of the tokens that enough documents have, and the tokens in alphabetical order."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(binary=True, **how)
    try:
        presence: csr_matrix = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a token; scikit-learn has no other name for it
        return None, np.array([], dtype=object)
    counts = np.asarray(presence.sum(axis=0)).ravel()
    usual = np.flatnonzero((counts >= MIN_DOCUMENTS) & (counts < len(texts)))
    return presence.tocsc()[:, usual], vectorizer.get_feature_names_out()[usual]


def _strongest(together: npt.NDArray[np.float64], presence: "csc_matrix", size: int, alpha: float) -> tuple[int, float]:
    """The token with the strongest correlation that chance does not explain, and the correlation.

    Args:
        together: [tokens] documents of the class that have the token.
        presence: [documents, tokens].
        size: documents of the class.
        alpha: largest p that counts.
    """
    from scipy.stats import hypergeom

    total = presence.shape[0]
    holding = np.diff(presence.indptr).astype(float)
    correlation = (total * together - holding * size) / np.sqrt(
        holding * (total - holding) * size * (total - size), dtype=float
    )
    order = np.argsort(-np.abs(correlation), kind="stable")[:_CANDIDATES]
    n11, n1 = together[order], holding[order]
    p = np.where(correlation[order] > 0, hypergeom.sf(n11 - 1, total, size, n1), hypergeom.cdf(n11, total, size, n1))
    passing = order[p <= alpha]
    return (int(passing[0]), float(correlation[passing[0]])) if len(passing) else (0, 0.0)
