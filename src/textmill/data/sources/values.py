"""Values as they stand in a source, as text."""

import decimal
from typing import Any

import pandas as pd
import pyarrow as pa

from textmill.data.sources.errors import UnreadableSource


def as_text(value: Any) -> str | None:
    """A text or label as a string, None where it is missing.

    Whole numbers lose a decimal point, because a column of integers with a gap is read as floats;
    truth values are `true` and `false`, as in JSON; dates are as in ISO 8601; bytes are taken as UTF-8.

    Raises: UnreadableSource: it is a list or a mapping, or bytes that are not UTF-8.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict, tuple)) or (hasattr(value, "shape") and value.shape):
        shown = str(value)[:80].encode(errors="replace").decode()
        raise UnreadableSource(f"a text or label must be one value, found {type(value).__name__}: {shown}")
    if pd.isna(value):
        return None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise UnreadableSource(f"bytes that are no text in UTF-8: {value[:40]!r}") from None
    if str(value) in ("True", "False"):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, decimal.Decimal) and value.is_finite() and value == value.to_integral_value():
        return str(int(value))
    return str(value)


def as_texts(values: "pd.Series[Any]") -> list[str | None]:
    """A column's values as by `as_text`; columns of text, integers or truth values at once.

    Raises: UnreadableSource: one is a list, a mapping, or bytes that are not UTF-8.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.StringDtype):
        return values.array.to_numpy(dtype=object, na_value=None).tolist()
    if isinstance(dtype, pd.ArrowDtype):
        column = pa.array(values.array)
        kind = dtype.pyarrow_dtype
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)) or (
            pa.types.is_integer(kind)
        ):
            return column.cast(pa.large_string()).to_pylist()  # Arrow, too, writes `true` and `false`
        return [as_text(value) for value in values]
    if pd.api.types.is_integer_dtype(dtype):
        return [str(value) for value in values.tolist()]
    return [as_text(value) for value in values]
