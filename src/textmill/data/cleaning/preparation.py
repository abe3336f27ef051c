"""All that clean does to a text alone: what worker processes do, a batch at a time. They need no pandas."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from textmill.data.cleaning.texts import TextRules, clean_texts
from textmill.data.duplicates.exact import hash_normal_form, normalise
from textmill.data.duplicates.shingles import Banding, Sketches, sketch


@dataclass(frozen=True)
class Prepared:
    """A batch of texts, cleaned.

    Attributes:
        texts: cleaned; empty where the text cannot be used.
        reasons: why not, or None.
        clusters: hashes of the normal forms; 0 where the text cannot be used.
        changed: how many of the texts each step changed.
        sketches: what near duplicates are found by, or None if they are not looked for.
    """

    texts: list[str]
    reasons: list[str | None]
    clusters: list[int]
    changed: Counter[str]
    sketches: Sketches | None


def prepare(texts: Sequence[str | None], rules: TextRules, banding: Banding | None) -> Prepared:
    """Clean texts, and hash them for the search of duplicates and near duplicates."""
    cleaned, reasons, changed = clean_texts(texts, rules)
    normal_forms = [normalise(text) for text in cleaned]
    clusters = [hash_normal_form(form) if form else 0 for form in normal_forms]
    sketches = None if banding is None else sketch(normal_forms, banding)
    return Prepared(cleaned, reasons, clusters, changed, sketches)
