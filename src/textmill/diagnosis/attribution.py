"""How much each word of a document speaks for an output.

Shapes: K words, G groups of neighbouring words (one a word in all but long documents).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from textmill.diagnosis.reading import Reading
from textmill.diagnosis.served import Decision

_DECIMALS = 5
_MOST_SPANS = 100  # of an explanation, the most important ones


@dataclass(frozen=True)
class Attribution:
    """Weights of words, positive where they speak for the output.

    Attributes:
        group_K: the group of each word, 0 to G - 1, in order.
        weights_G: in nats of log-odds, or in the unit of the number.
    """

    group_K: NDArray[np.int64]
    weights_G: NDArray[np.float64]

    def order(self, sign: int) -> NDArray[np.int64]:
        """Words [K], those first that speak most for the decision; words of a group in their own order."""
        return np.argsort(-sign * self.weights_G[self.group_K], kind="stable")

    def spans(self, reading: Reading) -> list[list[Any]]:
        """[start, end, weight] of the groups, the heaviest first: character offsets into the text."""
        heaviest = np.argsort(-np.abs(self.weights_G), kind="stable")[:_MOST_SPANS]
        return [
            [reading.spans[words[0]][0], reading.spans[words[-1]][1], round(float(self.weights_G[group]), _DECIMALS)]
            for group in heaviest
            for words in [np.flatnonzero(self.group_K == group)]
        ]


class Method(Protocol):
    """A way to find the weights; `name` is what it is called in reports."""

    @property
    def name(self) -> str: ...

    def attribute(self, reading: Reading, decision: Decision) -> Attribution:
        """Of a document with at least one word."""
        ...
