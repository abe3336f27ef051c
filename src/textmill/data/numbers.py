"""The targets of a regression in figures, and in ranges that serve as classes do elsewhere."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

NUM_RANGES = 10

Floats = npt.NDArray[np.float64]


def describe_numbers(numbers: Floats) -> dict[str, float]:
    """min, max, mean and std (of the population)."""
    figures = {"min": numbers.min(), "max": numbers.max(), "mean": numbers.mean(), "std": numbers.std()}
    return {name: float(value) for name, value in figures.items()}


def find_borders(numbers: Floats) -> list[float]:
    """What parts the numbers into NUM_RANGES of equally many; fewer where many numbers are equal."""
    if not len(numbers):
        return []
    return [float(border) for border in np.unique(np.quantile(numbers, np.arange(1, NUM_RANGES) / NUM_RANGES))]


def place_numbers(numbers: Floats, borders: Sequence[float]) -> npt.NDArray[np.int64]:
    """The range of each number, from 0 to the number of borders; a border belongs to the range above it."""
    return np.searchsorted(np.asarray(borders, np.float64), numbers, side="right").astype(np.int64)


def name_ranges(borders: Sequence[float]) -> list[str]:
    """Such as: below 1.5, 1.5 to 3, from 3."""
    if not borders:
        return ["any"]
    said = [f"{border:.10g}" for border in borders]
    between = [f"{low} to {high}" for low, high in pairwise(said)]
    return [f"below {said[0]}", *between, f"from {said[-1]}"]
