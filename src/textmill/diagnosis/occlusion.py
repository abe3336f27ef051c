"""Which words decided: what becomes of the evidence when a word is left out.

Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks (2014), with words in place of patches.

Shapes: K words, G groups of words.
"""

import numpy as np

from textmill.diagnosis.attribution import Attribution
from textmill.diagnosis.reading import Reading
from textmill.diagnosis.served import Decision, Served

_MOST_RUNS = 64  # of the model a document: more words than that are left out several at a time, neighbours together
# (groups of equal size: to part the heaviest of larger groups into words instead did worse in the deletion test)


class Occlusion:
    """Runs the served model itself, any model."""

    name = "occlusion"

    def __init__(self, served: Served) -> None:
        self._served = served

    def attribute(self, reading: Reading, decision: Decision) -> Attribution:
        """Evidence for the decision's output with a group of words, minus that without it; at least one word."""
        num_words = len(reading.spans)
        num_groups = min(num_words, _MOST_RUNS)
        group_K = np.arange(num_words) * num_groups // num_words
        left_out_GK = np.arange(num_groups)[:, None] == group_K
        documents = [reading.windows, *(reading.without(left_out_K) for left_out_K in left_out_GK)]
        whole, *without = self._served.evidence(documents)[:, decision.output].tolist()
        return Attribution(group_K, np.array([whole - evidence for evidence in without]))
