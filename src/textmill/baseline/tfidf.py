"""TF-IDF over word n-grams and a logistic regression: minutes cheaper than a transformer, and often as good.

The words are those of the exported tokenizer: one definition serves scikit-learn and the bundle, so that
both agree on every text (`\\w` means another set of characters in Python than in the tokenizers library).

Shapes: N documents, F features (n-grams), C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from tokenizers import Regex, normalizers, pre_tokenizers

from textmill.errors import UserError

NORMALIZER = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
PRE_TOKENIZER = pre_tokenizers.Split(Regex(r"\w+"), behavior="removed", invert=True)
_MAX_ITERATIONS = 2000  # of L-BFGS; a few dozen are usual


class UnfitForBaseline(UserError):
    """The train split has no words, or a class that lies in one fold only."""


def words(text: str) -> list[str]:
    """The lower-cased runs of letters, digits and underscores, in order."""
    return [word for word, _ in PRE_TOKENIZER.pre_tokenize_str(NORMALIZER.normalize_str(text))]


@dataclass(frozen=True)
class TfidfModel:
    """Counts of n-grams, their weights, and a linear model on them; `labels` in the order of the logits."""

    counter: CountVectorizer
    weighting: TfidfTransformer
    classifier: LogisticRegression
    labels: list[str]

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF features [N, F], rows of unit length."""
        return self.weighting.transform(self.counter.transform(texts))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Logits [N, C] whose softmax is scikit-learn's `predict_proba`; two classes get [-z/2, z/2]."""
        decision = self.classifier.decision_function(self.features(texts))
        return decision[:, None] * np.array([-0.5, 0.5]) if decision.ndim == 1 else decision


def fit(
    texts: Sequence[str], labels: Sequence[str], *, max_ngram: int, max_features: int, regularisation: float
) -> TfidfModel:
    """Fit on labelled texts; the same input gives the same model.

    Args:
        max_ngram: longest word n-gram.
        max_features: most n-grams kept, the most frequent ones first.
        regularisation: inverse strength C of the L2 penalty.

    Raises:
        UnfitForBaseline: no text has a word.
    """
    counter = _counter(max_ngram, max_features)
    weighting, classifier = _fit_counts(_count(counter, texts), labels, regularisation)
    return TfidfModel(counter, weighting, classifier, [str(label) for label in classifier.classes_])


def out_of_fold(
    texts: Sequence[str],
    labels: Sequence[str],
    folds: Sequence[int] | NDArray[np.integer],
    *,
    progress: Callable[[int], None] = lambda done: None,
    max_ngram: int,
    max_features: int,
    regularisation: float,
) -> NDArray[np.float64]:
    """Probabilities [N, C] of each document by a model that has not seen its label, in sorted label order.

    Words are counted once for all folds, which needs no label; weights and model are fitted anew for each.

    Args:
        folds: [N] fold in which each document is held out; data/splits/folds.parquet keeps groups and near
            duplicates together, so that none is judged by a model that has seen its twin.
        progress: called with 1 after each fold.

    Raises:
        UnfitForBaseline: no text has a word, or a class lies in one fold only.
    """
    labels_N, folds_N = np.asarray(labels, dtype=object), np.asarray(folds)
    names = np.unique(labels_N)
    counts_NF = _count(_counter(max_ngram, max_features), texts)
    probabilities_NC = np.empty((len(labels_N), len(names)))
    for fold in np.unique(folds_N):
        seen, held_out = folds_N != fold, folds_N == fold
        if unseen := sorted(set(names) - set(labels_N[seen])):
            raise UnfitForBaseline(
                f"All documents of the class {unseen[0]!r} are in fold {fold} of the train split, so that no model can "
                "learn the class without seeing them. `dvc repro split` makes the folds anew."
            )
        weighting, classifier = _fit_counts(counts_NF[seen], labels_N[seen], regularisation)
        probabilities_NC[held_out] = classifier.predict_proba(weighting.transform(counts_NF[held_out]))
        progress(1)
    return probabilities_NC


def _counter(max_ngram: int, max_features: int) -> CountVectorizer:
    return CountVectorizer(
        tokenizer=words,
        token_pattern=None,
        lowercase=False,  # `words` does it
        ngram_range=(1, max_ngram),
        max_features=max_features,
    )


def _count(counter: CountVectorizer, texts: Sequence[str]) -> csr_matrix:
    try:
        return counter.fit_transform(texts)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise UnfitForBaseline(
            f"None of the {len(texts)} train documents has a word (a run of letters or digits), so there is nothing "
            "for the TF-IDF baseline to count. Look at data/splits/train.parquet, and at data.text in params.yaml: "
            "does it name the column with the texts?"
        ) from None


def _fit_counts(
    counts_NF: csr_matrix, labels: Sequence[str] | NDArray[Any], regularisation: float
) -> tuple[TfidfTransformer, LogisticRegression]:
    weighting = TfidfTransformer(sublinear_tf=True)
    features_NF = weighting.fit_transform(counts_NF)
    classifier = LogisticRegression(C=regularisation, max_iter=_MAX_ITERATIONS)
    with threadpool_limits(1):  # L-BFGS works on short vectors: more threads only wait for each other
        classifier.fit(features_NF, list(labels))
    return weighting, classifier
