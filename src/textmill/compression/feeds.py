"""Documents as a graph is given them one by one: each window alone."""

import numpy as np
from numpy.typing import NDArray

Feed = dict[str, NDArray[np.int64]]  # input_ids and attention_mask, [1, T] each


def feed_of(window: NDArray[np.integer], pad_id: int) -> Feed:
    """A window alone; one without tokens is padding that is not attended to, as in the runtime."""
    if not len(window):
        return {"input_ids": np.array([[pad_id]]), "attention_mask": np.zeros((1, 1), np.int64)}
    ids_1T = np.asarray(window, np.int64)[None]
    return {"input_ids": ids_1T, "attention_mask": np.ones_like(ids_1T)}


def spread(num_documents: int, most: int) -> NDArray[np.int64]:
    """At most so many of the documents, evenly spread over them: their places, ascending."""
    return np.unique(np.linspace(0, num_documents - 1, min(num_documents, most)).astype(np.int64))
