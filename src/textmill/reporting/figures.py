"""A figure of a page: what Plotly draws, and the same as a table for those who do not see it."""

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

_LONGEST_NAME = 32  # characters beside an axis


class Figure(NamedTuple):
    """Traces and layout are Plotly's; a colour is a name of page.css such as --accent, or --accent/0.3.

    Attributes:
        name: a word for its elements.
        label: what is seen in it, for those who do not see it.
        columns, rows: its values as a table.
        height, min_width: pixels; a narrower page scrolls.
    """

    name: str
    label: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    height: int = 300
    min_width: int = 0

    @property
    def json(self) -> Markup:
        """Data and layout as JSON that may stand inside <script>."""
        return encode({"data": self.data, "layout": self.layout})


def encode(told: Mapping[str, Any]) -> Markup:
    """JSON in which nothing ends the script that it stands in. Raises: ValueError: a number is not finite."""
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def finite(values: Iterable[Any]) -> list[float | None]:
    """JSON has no NaN: None leaves a gap in a line."""
    return [float(value) if value is not None and math.isfinite(value) else None for value in values]


def plain(name: object, longest: int = _LONGEST_NAME) -> str:
    """A name that is not ours beside an axis: cut if it is long, and no markup, of which Plotly knows a little."""
    text = " ".join(str(name).split())
    return html.escape(text if len(text) <= longest else f"{text[: longest - 1]}…", quote=False)


def axis(title: str, **settings: Any) -> dict[str, Any]:
    return {"title": {"text": title, "standoff": 8}, **settings}


def line(
    name: str,
    x: Sequence[Any],
    y: Sequence[Any],
    colour: str,
    *,
    dash: str = "solid",
    symbol: str = "circle",
    **more: Any,
) -> dict[str, Any]:
    """A line with markers; its dash and symbol tell it from others where colours do not."""
    drawn: dict[str, Any] = {"type": "scatter", "mode": "lines+markers", "name": name, "x": list(x), "y": list(y)}
    drawn |= {"line": {"color": colour, "dash": dash, "width": 2}}
    return {**drawn, "marker": {"color": colour, "symbol": symbol, "size": 7}, **more}
