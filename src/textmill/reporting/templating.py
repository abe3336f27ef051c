"""The templates of all pages: what they fail on, and how they write figures."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def new_environment(*, autoescape: bool) -> Environment:
    """Templates that fail on a name they were not given."""
    env = Environment(
        loader=PackageLoader("textmill.reporting"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["count"] = lambda n: f"{n:,}"
    env.filters["percent"] = say_percent
    env.filters["number"] = say_number
    env.filters["key"] = break_key
    return env


def say_percent(share: float) -> str:
    """One digit after the point, two figures of what is smaller, and 100 % only of all: 12.3 %, 0.023 %, > 99.9 %."""
    percent = 100 * share
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %" if percent >= 0.1 or percent == 0 else f"{percent:.2g} %"


def say_number(value: object) -> str:
    """Thousands apart, at most four digits after the point; words as they are."""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def say_p_value(value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def say_p(value: float) -> str:
    """As in a sentence: p = 0.012, p < 0.001."""
    return f"p {'' if value < 0.001 else '= '}{say_p_value(value)}"


def break_key(key: object) -> Markup:
    """A key of params.yaml that may be parted after an underscore, for it may be longer than a column."""
    return escape(key).replace("_", Markup("_<wbr>"))
