"""A seeded part of the documents of a case, for what must run the model anew."""

import zlib

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.case import Case


def sample_documents(case: Case, num_documents: int) -> NDArray[np.int64]:
    """Positions [n] of so many documents at most, in their order; each label has its share of them, give or take one.

    Documents stand in the order of their labels (of equal ones by chance), and every so many-th is taken. Labels of
    multi_label are sets, and numbers are in the order of their size.
    """
    labels_N = case.documents["label"].to_numpy()
    if len(labels_N) <= num_documents:
        return np.arange(len(labels_N))
    if case.classifier.task == "regression":
        labels_N = labels_N.astype(np.float64)
    generator = np.random.default_rng(case.settings.seed)
    order_N = np.lexsort([generator.random(len(labels_N)), np.unique(labels_N, return_inverse=True)[1]])
    chosen_n = (np.arange(num_documents) + generator.random()) * len(labels_N) / num_documents
    return np.sort(order_N[chosen_n.astype(np.int64)])


def generator_of(seed: int, purpose: str, document: str) -> np.random.Generator:
    """What is drawn for one document: the same whatever other documents and purposes there are."""
    return np.random.default_rng([seed, zlib.crc32(f"{purpose}\0{document}".encode())])
