"""Mistakes that people make when they type: one in a word.

Of the four kinds that Damerau counted (1964, A technique for computer detection and correction of spelling errors,
https://doi.org/10.1145/363958.363994): a wrong letter (here that of a neighbouring key), one missing, one too many
(doubled), two in the wrong order.
"""

import numpy as np

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """The keys beside each key; a row stands half a key to the right of the one above it."""
    places = {key: (row, column + row / 2) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
    return {
        key: "".join(
            other
            for other, (row, column) in places.items()
            if other != key and abs(row - places[key][0]) <= 1 and abs(column - places[key][1]) <= 1
        )
        for key in places
    }


NEIGHBOURS = _neighbours()


def mistype(word: str, generator: np.random.Generator) -> str:
    """The word with one mistake, never empty; letters that the keyboard lacks are doubled instead of missed."""
    if not word:
        return word
    kind, at = generator.integers(4), int(generator.integers(len(word)))
    if kind == 0 and word[at].lower() in NEIGHBOURS:
        keys = NEIGHBOURS[word[at].lower()]
        key = keys[generator.integers(len(keys))]
        return word[:at] + (key.upper() if word[at].isupper() else key) + word[at + 1 :]
    if kind == 1 and len(word) > 1:
        return word[:at] + word[at + 1 :]
    if kind == 2 and at + 1 < len(word) and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at] + word[at:]
