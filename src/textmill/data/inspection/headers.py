"""Guesses whether the first row of a delimited file names the columns or is already a document."""

from collections.abc import Sequence

from textmill.data.inspection.columns import kind_of_text
from textmill.data.inspection.roles import is_known_name

MAX_NAME_CHARACTERS = 60
MAX_NAME_WORDS = 6


def guess_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first of some rows is a header, and why.

    Args:
        rows: the first some hundred rows of a file, as texts; the first is the one in question.
    """
    if not rows:
        return True, "the file is empty"
    first, others = rows[0], rows[1:]
    names = [name.strip() for name in first]
    unlike = [row for row in others if row != first]  # a header may come again whole, a label beside other texts
    known = [name for place, name in enumerate(names) if is_known_name(name) and not _comes_again(name, place, unlike)]
    if known:
        return True, f"the first row names a column {known[0]!r}"
    if number := next((name for name in names if kind_of_text(name) != "text" and name), None):
        return False, f"the first row holds {number!r}, which is a value and no name"
    if long := next((n for n in names if len(n) > MAX_NAME_CHARACTERS or len(n.split()) > MAX_NAME_WORDS), None):
        return False, f"the first row holds a text, {long[:40]!r}..."
    if len(set(names)) < len(names):
        return False, "the first row holds a value twice"
    for place, name in enumerate(names):
        if name and _comes_again(name, place, others):
            return False, f"{name!r} of the first row is a value of other rows, too"
    return True, "the first row holds short, distinct texts that no other row holds"


def _comes_again(name: str, place: int, rows: Sequence[Sequence[str]]) -> bool:
    return any(place < len(row) and row[place].strip() == name for row in rows)
