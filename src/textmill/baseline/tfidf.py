"""TF-IDF over n-grams of words, and of characters, and a linear model: minutes cheaper than a network, often as good.

The words are those of the exported tokenizer: one definition serves scikit-learn and the bundle, so that
both agree on every text (`\\w` means another set of characters in Python than in the tokenizers library).

Shapes: N documents, F features (n-grams of words, then those of characters), C outputs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from tokenizers import Regex, normalizers, pre_tokenizers

from textmill.baseline.linear import Linear, fit_linear
from textmill.baseline.truth import Truth
from textmill.errors import UserError

NORMALIZER = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
PRE_TOKENIZER = pre_tokenizers.Split(Regex(r"\w+"), behavior="removed", invert=True)
SPACE = " "  # stands before and after each word in n-grams of characters
_MOST_WORDS = 2**17  # whose n-grams of characters are remembered


class UnfitForBaseline(UserError):
    """The train split has no words, or a class that lies in one fold only."""


class Settings(NamedTuple):
    """model.baseline of params.yaml."""

    max_ngram: int
    max_features: int
    character_ngrams: Sequence[int] | None
    max_character_features: int
    regularisation: float


def words(text: str) -> list[str]:
    """The lower-cased runs of letters, digits and underscores, in order."""
    return [word for word, _ in PRE_TOKENIZER.pre_tokenize_str(NORMALIZER.normalize_str(text))]


@dataclass(frozen=True)
class Counts:
    """How often each n-gram occurs in each document.

    Attributes:
        counters: of words, and of characters where they are asked for; with the vocabulary.
        matrices: one a counter, [N, its share of F].
    """

    counters: list[CountVectorizer]
    matrices: list[csr_matrix]

    def rows(self, chosen_N: NDArray[np.bool_]) -> "Counts":
        """The counts of some of the documents."""
        return Counts(self.counters, [matrix[chosen_N] for matrix in self.matrices])

    @property
    def num_features(self) -> int:
        return sum(len(counter.vocabulary_) for counter in self.counters)


@dataclass(frozen=True)
class TfidfModel:
    """Weights of the n-grams of `counters`, and a linear model on them."""

    counters: list[CountVectorizer]
    weightings: list[TfidfTransformer]
    linear: Linear
    truth: Truth  # what the outputs are

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF features [N, F]; the part of each counter has unit length."""
        plain = [SPACE.join(words(text)) for text in texts]
        return self.weigh(Counts(self.counters, [counter.transform(plain) for counter in self.counters]))

    def weigh(self, counts: Counts) -> csr_matrix:
        """Features [N, F] of counted documents."""
        weighted = zip(self.weightings, counts.matrices, strict=True)
        return hstack([weighting.transform(matrix) for weighting, matrix in weighted], format="csr")

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Logits [N, C]; see `Linear.logits`."""
        return self.linear.logits(self.features(texts))


def count_ngrams(texts: Sequence[str], settings: Settings) -> Counts:
    """Count the most frequent n-grams of the texts; needs no label.

    Raises: UnfitForBaseline: no text has a word.
    """
    plain: Iterable[str] = (SPACE.join(words(text)) for text in texts)
    counters = [
        CountVectorizer(
            tokenizer=str.split,
            token_pattern=None,
            lowercase=False,  # `words` does it
            ngram_range=(1, settings.max_ngram),
            max_features=settings.max_features,
        )
    ]
    if settings.character_ngrams is not None:
        shortest, longest = settings.character_ngrams
        analyzer = character_analyzer(shortest, longest)
        counters.append(CountVectorizer(analyzer=analyzer, max_features=settings.max_character_features))
        plain = list(plain)  # read twice
    try:
        return Counts(counters, [counter.fit_transform(plain) for counter in counters])
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise UnfitForBaseline(
            f"None of the {len(texts)} train documents has a word (a run of letters or digits), so there is nothing "
            "for the TF-IDF baseline to count. Look at data/splits/train.parquet, and at data.text in params.yaml: "
            "does it name the column with the texts?"
        ) from None


def character_analyzer(shortest: int, longest: int) -> Callable[[str], list[str]]:
    """What lists the n-grams of characters of a text of words: those of each word, with a space at either end.

    The same as scikit-learn's `char_wb` but for the lone space, which is none: a shorter word than `shortest` counts
    whole, once.
    """

    @lru_cache(_MOST_WORDS)
    def ngrams(word: str) -> list[str]:
        padded = f"{SPACE}{word}{SPACE}"
        if len(padded) < shortest:
            return [padded]
        lengths = range(shortest, min(longest, len(padded)) + 1)
        found = (padded[start : start + n] for n in lengths for start in range(len(padded) - n + 1))
        return [ngram for ngram in found if ngram != SPACE]

    return lambda text: list(chain.from_iterable(ngrams(word) for word in text.split()))


def fit(counts: Counts, truth: Truth, regularisation: float) -> TfidfModel:
    """Fit on counted documents; the same input gives the same model.

    Args:
        regularisation: inverse strength C of the L2 penalty.
    """
    weightings = [TfidfTransformer(sublinear_tf=True).fit(matrix) for matrix in counts.matrices]
    weighted = zip(weightings, counts.matrices, strict=True)
    features_NF = hstack([weighting.transform(matrix) for weighting, matrix in weighted], format="csr")
    return TfidfModel(counts.counters, weightings, fit_linear(features_NF, truth, regularisation), truth)


def out_of_fold(
    counts: Counts,
    truth: Truth,
    folds: Sequence[int] | NDArray[np.integer],
    regularisation: float,
    progress: Callable[[int], Any] = lambda done: None,
) -> NDArray[np.float64]:
    """What a model that has not seen a document says of it: probabilities [N, C] of the labels, or numbers [N, 1].

    N-grams are counted once for all folds, which needs no label; weights and model are fitted anew for each.

    Args:
        folds: [N] fold in which each document is held out; data/splits/folds.parquet keeps groups and near
            duplicates together, so that none is judged by a model that has seen its twin.
        progress: called with 1 after each fold.

    Raises:
        UnfitForBaseline: a class lies in one fold only (single_label).
    """
    folds_N = np.asarray(folds)
    answers_NC = np.empty((len(folds_N), truth.num_outputs))
    for fold in np.unique(folds_N):
        seen, held_out = folds_N != fold, folds_N == fold
        if unseen := truth.classes_without(seen):
            raise UnfitForBaseline(
                f"All documents of the class {unseen[0]!r} are in fold {fold} of the train split, so that no model can "
                "learn the class without seeing them. `dvc repro split` makes the folds anew."
            )
        model = fit(counts.rows(seen), truth.rows(seen), regularisation)
        answers_NC[held_out] = truth.answers(model.linear.logits(model.weigh(counts.rows(held_out))), temperature=1.0)
        progress(1)
    return answers_NC
