"""A document with the words that spoke for and against its answer."""

from collections.abc import Sequence
from typing import NamedTuple


class Segment(NamedTuple):
    """Part of a text; `weight` is from -1 (against the answer) to 1 (for it), None of what is not marked."""

    text: str
    weight: float | None


def split_segments(text: str, spans: Sequence[tuple[int, int, float]]) -> list[Segment]:
    """The whole text in parts, those in `spans` with their weight, relative to the largest.

    Args:
        spans: start, end, weight; the most important first, which wins where two overlap.
    """
    largest = max((abs(weight) for _, _, weight in spans), default=0.0)
    kept: list[tuple[int, int, float]] = []
    for start, end, weight in spans:
        is_free = all(end <= other_start or start >= other_end for other_start, other_end, _ in kept)
        if 0 <= start < end <= len(text) and is_free and largest > 0:
            kept.append((start, end, weight / largest))
    segments, position = [], 0
    for start, end, weight in sorted(kept):
        if start > position:
            segments.append(Segment(text[position:start], None))
        segments.append(Segment(text[start:end], weight))
        position = end
    return [*segments, Segment(text[position:], None)] if position < len(text) else segments


def cut_segments(segments: Sequence[Segment], length: int) -> tuple[list[Segment], list[Segment]]:
    """The first about `length` characters, cut at a space outside of what is marked, and the rest."""
    first: list[Segment] = []
    for at, segment in enumerate(segments):
        if segment.weight is None and len(segment.text) > length:
            place = segment.text.find(" ", max(length, 0))
            if place >= 0:
                first.append(Segment(segment.text[:place], None))
                return first, [Segment(segment.text[place:], None), *segments[at + 1 :]]
        first.append(segment)
        length -= len(segment.text)
    return first, []
