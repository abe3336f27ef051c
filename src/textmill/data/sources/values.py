"""Values as they stand in a source, as text."""

from typing import Any

import pandas as pd

from textmill.data.sources.errors import UnreadableSource


def as_text(value: Any) -> str | None:
    """A text or label as a string, None where it is missing.

    Whole numbers lose a decimal point, because a column of integers with a gap is read as floats;
    truth values are `true` and `false`, as in JSON.

    Raises: UnreadableSource: it is a list or a mapping.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict, tuple)) or (hasattr(value, "shape") and value.shape):
        raise UnreadableSource(f"a text or label must be one value, found {type(value).__name__}: {str(value)[:80]}")
    if pd.isna(value):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if str(value) in ("True", "False"):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
