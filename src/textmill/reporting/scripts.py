"""The scripts of a page, and the policy that lets the browser run these and no others, and fetch nothing."""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup


class Scripts(NamedTuple):
    """Attributes:
    texts: what stands in a <script> each.
    plotly: plotly.min.js for the scripts to unpack: base64 of gzip, a third of its size.
    policy: of the header Content-Security-Policy.
    """

    texts: list[Markup]
    plotly: Markup
    policy: str


def read_scripts(names: Sequence[str], *, draws_in_webgl: bool = False) -> Scripts:
    """The scripts `names` of templates/.

    Args:
        draws_in_webgl: whether a figure of Plotly compiles programs for the graphics card, for which it needs eval.
    """
    folder = files("textmill.reporting") / "templates"
    texts = [(folder / name).read_text(encoding="utf-8") for name in names]
    packed, digest = _pack_plotly()
    allowed = [*(f"'sha256-{_digest(text)}'" for text in texts), f"'sha256-{digest}'"]
    sources = " ".join([*allowed, *(["'unsafe-eval'"] if draws_in_webgl else [])])
    policy = (
        f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return Scripts([Markup(text) for text in texts], Markup(packed), policy)


@cache
def _pack_plotly() -> tuple[str, str]:
    """Base64 of gzip, and the digest of what comes out of it."""
    from plotly.offline import get_plotlyjs

    text = get_plotlyjs()
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode(), _digest(text)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
