"""How the page and the card write figures, answers and names; the filters of their templates."""

import html
import re

from jinja2 import Environment

from textmill.reporting.error_story import say_answer
from textmill.reporting.facts import name_model
from textmill.reporting.search_page import say_value
from textmill.reporting.templating import new_environment, say_p_value, say_percent


def environment(*, autoescape: bool) -> Environment:
    """Templates that fail on a name they were not given, with the filters for figures."""
    env = new_environment(autoescape=autoescape)
    env.filters |= {"size": say_size, "ms": say_ms, "figure": say_figure}
    env.filters |= {"signed": say_signed, "p_value": say_p_value, "compact": say_compact, "seconds": say_seconds}
    if autoescape:  # a page: a figure and its sign stay in one line, and a minus is one
        env.filters["percent"] = lambda share: say_percent(share).replace(" ", "\N{NO-BREAK SPACE}")
        env.filters["figure"] = lambda value: say_figure(value).replace("-", "\N{MINUS SIGN}")
    env.filters["value"] = say_value
    env.filters["answer"] = say_answer
    env.filters["capitalise"] = lambda text: text[:1].upper() + text[1:]  # Jinja's makes macro-F1 Macro-f1
    env.filters["cell"] = escape_markdown
    env.filters["model"] = name_model
    return env


def escape_markdown(text: object) -> str:
    """A text that is not ours as one line of Markdown, also in a table: nothing in it is markup or HTML."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


def say_figure(value: float | None) -> str:
    """Three digits after the point, three figures of what is small, thousands apart: 0.876, 0.00123, 1,234.5."""
    if value is None:
        return "unknown"
    if abs(value) >= 1000:
        return f"{value:,.1f}"
    return f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def say_signed(value: float | None, digits: int = 1) -> str:
    """With its sign, a true minus: +1.2, 0.0."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text if float(f"{value:.{digits}f}") else text[1:]


def say_compact(value: float | None) -> str:
    """Three figures and a word for thousands: 22.7 M, 1.3 G, 950."""
    if value is None:
        return "unknown"
    for size, word in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}\N{NO-BREAK SPACE}{word}"
    return f"{value:.3g}"


def say_size(size_mb: float) -> str:
    return f"{size_mb:.1f} MB" if size_mb < 100 else f"{size_mb:,.0f} MB"


def say_ms(milliseconds: float) -> str:
    return f"{milliseconds:.2f} ms" if milliseconds < 1 else f"{milliseconds:.1f} ms"


def say_seconds(seconds: float) -> str:
    """Short, in the unit that people would choose: 0.4 s, 42 s, 12.5 min, 3.1 h."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
