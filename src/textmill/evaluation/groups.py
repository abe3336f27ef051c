"""Groups of documents that a model is judged on apart, and the sums of their answers in resamples.

Shapes: N documents, V groups of a column, C labels, K cells (documents with equal truth and equal answer), R resamples,
S sums.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textmill.artifacts import SLICE
from textmill.evaluation.case import Case
from textmill.evaluation.regression import value_terms
from textmill.evaluation.resampling import resample_sums

MISSING = "(missing)"  # the group of documents whose column is empty
_MANY_NUMBERS = 20  # a column with more distinct numbers is cut into bins
_NONE = -1


class Grouping(NamedTuple):
    """A column's groups: each document is in one of them, or in none.

    Attributes:
        codes_N: position in `values`, -1 for none.
    """

    column: str
    values: list[str]
    codes_N: NDArray[np.int64]

    def sizes(self) -> NDArray[np.int64]:
        """Documents of each group [V]."""
        return np.bincount(self.codes_N[self.codes_N >= 0], minlength=len(self.values))

    def judged(self, min_documents: int, most: int | None = None) -> tuple["Grouping", int]:
        """The groups that can be judged, the `most` largest of them, and how many are left out.

        A group needs `min_documents`, and so do the documents outside it that it is compared with.
        """
        sizes_V = self.sizes()
        enough = np.flatnonzero((sizes_V >= min_documents) & (len(self.codes_N) - sizes_V >= min_documents))
        kept = np.sort(enough[np.argsort(-sizes_V[enough], kind="stable")][:most])
        return self.select(kept), len(self.values) - len(kept)

    def select(self, kept: NDArray[np.int64]) -> "Grouping":
        """Only the groups at these positions."""
        new_codes = np.full(len(self.values) + 1, _NONE)
        new_codes[kept] = np.arange(len(kept))  # the last stands for -1
        return Grouping(self.column, [self.values[i] for i in kept], new_codes[self.codes_N])


class Cells(NamedTuple):
    """The cell of each document, and what each adds to the sums.

    Attributes:
        terms_KS: of labels hits [C], support [C], predictions [C], right answers and documents (S = 3 C + 2); of
            numbers `regression.value_terms`.
    """

    cells_N: NDArray[np.int64]
    terms_KS: NDArray[np.float64]

    def sums(self, chosen_N: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Sums [S] over some documents."""
        return np.asarray(np.bincount(self.cells_N[chosen_N], minlength=len(self.terms_KS)) @ self.terms_KS)


def slice_columns(documents: pd.DataFrame) -> list[str]:
    """The columns of data.slices."""
    return [name.removeprefix(SLICE) for name in documents.columns if name.startswith(SLICE)]


def group_by_column(documents: pd.DataFrame, column: str, num_bins: int) -> Grouping:
    """The values of a column of data.slices; many numbers are cut into bins, and what is empty is a group as well."""
    texts_N = documents[f"{SLICE}{column}"].astype(object).reset_index(drop=True)
    is_missing_N = (texts_N.isna() | (texts_N.astype(str).str.strip() == "")).to_numpy()
    numbers_N = pd.to_numeric(texts_N.where(~is_missing_N), errors="coerce").to_numpy(np.float64)
    are_numbers = bool((np.isfinite(numbers_N) | is_missing_N).all())
    if are_numbers and len(np.unique(numbers_N[~is_missing_N])) > _MANY_NUMBERS:
        values, codes_N = cut(numbers_N, num_bins)
    else:
        codes_N, found = pd.factorize(texts_N.where(~is_missing_N), sort=True)
        values, codes_N = found.tolist(), codes_N.astype(np.int64)
    if not is_missing_N.any():
        return Grouping(column, values, codes_N)
    return Grouping(column, [*values, MISSING], np.where(is_missing_N, len(values), codes_N))


def group_by_length(documents: pd.DataFrame, num_bins: int) -> Grouping:
    """Bins of about equally many documents, by characters."""
    lengths_N = documents["text"].str.len().to_numpy().astype(np.float64)
    values, codes_N = cut(lengths_N, num_bins)
    return Grouping("length", [f"{value} characters" for value in values], codes_N)


def cut(numbers_N: NDArray[np.float64], num_bins: int) -> tuple[list[str], NDArray[np.int64]]:
    """Bins of about equally many numbers, by rising names such as `12 to 80`, and each number's bin; -1 for NaN.

    Equal numbers share a bin; where many are equal there are fewer bins.
    """
    is_known_N = np.isfinite(numbers_N)
    known_N = numbers_N[is_known_N]
    edges = np.unique(np.quantile(known_N, np.arange(1, num_bins) / num_bins))
    _, bins_N = np.unique(np.searchsorted(edges, known_N), return_inverse=True)
    lows = [known_N[bins_N == i].min() for i in range(bins_N.max() + 1)]
    highs = [known_N[bins_N == i].max() for i in range(bins_N.max() + 1)]
    written = ".0f" if (known_N == np.round(known_N)).all() else ".6g"
    ends = [(format(low, written), format(high, written)) for low, high in zip(lows, highs, strict=True)]
    names = [f"{low} to {high}" if low != high else low for low, high in ends]
    codes_N = np.full(len(numbers_N), _NONE)
    codes_N[is_known_N] = bins_N
    return names, codes_N


def find_wrong(case: Case) -> NDArray[np.bool_]:
    """Whether the answer to each document is wrong [N].

    A wrong label; a set of labels that is not exactly right; a number whose absolute error is among the largest
    quarter (ties with the quantile are not, so that a model that errs alike everywhere has no wrong answer).
    """
    if case.classifier.task == "regression":
        errors_N = np.abs(case.outputs.astype(np.float64) - case.truth)
        return np.asarray(errors_N > np.quantile(errors_N, 0.75))
    differs = np.asarray(case.truth != answers(case))
    return np.asarray(differs.reshape(len(differs), -1).any(axis=1))


def answers(case: Case) -> NDArray[np.int64]:
    """The answers in the form of `Case.truth`: positions of labels [N], or 1 where a label is given [N, C]."""
    if case.classifier.task == "multi_label":
        return (case.outputs >= case.classifier.thresholds).astype(np.int64)
    return np.asarray(case.outputs.argmax(axis=1), dtype=np.int64)


def cells_of(case: Case) -> Cells:
    """The cells of a case: of numbers, every document is one."""
    if case.classifier.task == "regression":
        return Cells(np.arange(len(case.truth)), value_terms(case.truth, case.outputs.astype(np.float64)))
    both_NX = np.column_stack([case.truth.astype(np.int64), answers(case)])
    cells_KX, cells_N = np.unique(both_NX, axis=0, return_inverse=True)
    if case.classifier.task == "multi_label":
        true_KC, guess_KC = (half.astype(np.float64) for half in np.split(cells_KX, 2, axis=1))
    else:
        true_KC, guess_KC = (np.eye(len(case.classifier.labels))[column_K] for column_K in cells_KX.T)
    right_K = (true_KC == guess_KC).all(axis=1).astype(np.float64)
    return Cells(cells_N, np.column_stack([true_KC * guess_KC, true_KC, guess_KC, right_K, np.ones(len(right_K))]))


def resample_groups(
    grouping: Grouping, cells: Cells, *, num_resamples: int, seed: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the code of each group, -1 for the documents of none, and its sums [R, S].

    Every group keeps its number of documents; classes do not, for in a group that has one document of a class,
    nothing of it would vary.
    """
    for code in np.unique(grouping.codes_N).tolist():
        counts_K = np.bincount(cells.cells_N[grouping.codes_N == code], minlength=len(cells.terms_KS))
        present_K = counts_K > 0
        # Groups are independent, so each draws with a seed of its own.
        own_seed = int(np.random.SeedSequence([seed, code - _NONE]).generate_state(1)[0])
        (sums_RS,) = resample_sums(
            [cells.terms_KS[present_K]], counts_K[present_K], num_resamples=num_resamples, seed=own_seed
        )
        yield code, sums_RS


def classes_of(sums: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Hits, support and predictions, each [..., C], of sums [..., 3 C + 2] of labels."""
    hits, support, predicted = np.split(sums[..., :-2], 3, axis=-1)
    return hits, support, predicted
