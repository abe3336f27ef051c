"""Text repair and label rules: pure functions of batches, no files."""

import html
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import ftfy
import pandas as pd
from selectolax.lexbor import LexborHTMLParser

from textmill.data.duplicates import cluster_of

# Elements of HTML, so that `<grin>`, `vector<int>` and `I <3 it` stay what they are: plain text.
_ELEMENTS = (
    "a abbr acronym address article aside audio b base big blockquote body br button canvas caption center cite code "
    "col colgroup dd del details div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 "
    "h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend li link main map mark meta nav noscript "
    "object ol optgroup option p param picture pre q s samp script section select small source span strike strong "
    "style sub summary sup svg table tbody td template textarea tfoot th thead time title tr tt u ul var video wbr"
)
_BLOCKS = (
    "address, article, aside, blockquote, br, caption, center, dd, details, div, dl, dt, fieldset, figcaption, figure, "
    "footer, form, h1, h2, h3, h4, h5, h6, header, hr, li, main, nav, ol, option, p, pre, section, summary, table, td, "
    "textarea, th, title, tr, ul"
)
_ATTRIBUTE = r"""\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+)"""
# Attributes have a value here: `if a <b and c> d` is no markup. The few that may go without are listed.
_FLAG = r"\s+(?:allowfullscreen|async|autoplay|checked|controls|defer|disabled|hidden|nowrap|selected)"
_TAG = re.compile(
    rf"<(?:!--.*?-->|!doctype\b[^>]*>|/?(?:{'|'.join(_ELEMENTS.split())})(?:{_ATTRIBUTE}|{_FLAG})*\s*/?>)",
    re.IGNORECASE | re.DOTALL,
)
_LONE_BRACKET = re.compile(rf"<(?!{_TAG.pattern[1:]})", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
# Entities are html_to_text's business: ftfy would decode them where HTML is to be kept.
_FTFY = ftfy.TextFixerConfig(unescape_html=False, explain=False)
_WHOLE = re.compile(r"(-?\d+)\.0+")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"  # zero-width marks, which str.strip leaves

ROW_REASONS = ("empty_text", "too_short", "too_long", "missing_label", "unknown_label")


def html_to_text(text: str) -> str:
    """Drop tags, comments, scripts and styles, and decode entities; text without markup is returned as it is.

    Block elements and `<br>` become a space, so that the words around them stay apart.
    """
    if not _TAG.search(text):
        return _ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text
    tree = LexborHTMLParser(_LONE_BRACKET.sub("&lt;", text))
    tree.strip_tags(["script", "style", "template"])
    for node in tree.css(_BLOCKS):
        node.insert_before(" ")
        node.insert_after(" ")
    return tree.root.text() if tree.root else ""


def repair_unicode(text: str) -> str:
    """Mend mojibake, control characters and curly quotes (ftfy), and normalise to NFC."""
    return ftfy.fix_text(text, _FTFY)


def collapse_whitespace(text: str) -> str:
    """Make any run of white space one space, and trim."""
    return " ".join(text.split())


def clean_texts(
    texts: Sequence[str | None], *, unicode: bool, markup: bool, whitespace: bool
) -> tuple[list[str | None], Counter[str]]:
    """Clean a batch of texts.

    HTML comes first, because entities can hide mojibake; white space last, because both leave some.

    Returns:
        The cleaned texts, None where there was none, and how many texts each step changed.
    """
    steps: list[tuple[str, Callable[[str], str]]] = []
    steps += [("html", html_to_text)] if markup else []
    steps += [("unicode", repair_unicode)] if unicode else []
    steps += [("whitespace", collapse_whitespace)] if whitespace else []
    changed: Counter[str] = Counter()
    cleaned: list[str | None] = []
    for text in texts:
        if text is not None:
            for name, step in steps:
                before, text = text, step(text)
                changed[name] += text != before
        cleaned.append(text)
    return cleaned, changed


def clean_label(label: str | None, names: Mapping[str, str] | None) -> str | None:
    """The label to use: trimmed, then looked up in `names` (label as found: label to use) where given.

    A label that `names` lacks as it is spelt is looked up by its `label_key`.

    Returns: None where the label is missing, or is not in `names`.
    """
    label = (label or "").strip()
    if names is not None:
        return names.get(label) or names.get(label_key(label))
    return label or None


def label_key(label: str) -> str:
    """One spelling for what sources write in several: `True` and `TRUE` are `true`, `1.0` is `1`."""
    if (lower := label.lower()) in ("true", "false"):
        return lower
    whole = _WHOLE.fullmatch(label)
    return whole[1] if whole else label


def find_row_reason(
    text: str | None, found: str | None, label: str | None, *, min_characters: int, max_characters: int
) -> str | None:
    """Why a cleaned row goes to quarantine, one of ROW_REASONS; None where it stays.

    Args:
        text: the cleaned text.
        found: the label as it stands in the source.
        label: the label to use, from `clean_label`.
    """
    if text is None or not text.strip().strip(_INVISIBLE):
        return "empty_text"
    if len(text) < min_characters:
        return "too_short"
    if len(text) > max_characters:
        return "too_long"
    if not (found or "").strip():
        return "missing_label"
    return "unknown_label" if label is None else None


def clean_rows(
    raw: pd.DataFrame,
    *,
    labels: Mapping[str, str] | None,
    repair_unicode: bool,
    html_to_text: bool,
    collapse_whitespace: bool,
    min_characters: int,
    max_characters: int,
) -> tuple[pd.DataFrame, Counter[str]]:
    """Clean a batch of raw rows; the settings are those of the section `clean` in params.yaml.

    Returns:
        One row for each raw row, with id, text, label, found (the label in the source), origin, cluster (None where
        the text is missing) and reason (None where it may stay), and how many texts each step changed.
    """
    texts, changed = clean_texts(
        _values(raw["text"]), unicode=repair_unicode, markup=html_to_text, whitespace=collapse_whitespace
    )
    found = _values(raw["label"])
    # Keys of params.yaml may be spelt in any of the ways; those that are spelt as found come first.
    names = labels and {label_key(name): label for name, label in labels.items()} | dict(labels)
    used = [clean_label(label, names) for label in found]
    rows = pd.DataFrame({"text": texts, "label": used, "found": found}, dtype=object)
    rows["cluster"] = pd.Series([None if text is None else cluster_of(text) for text in texts], dtype=object)
    rows["reason"] = pd.Series(
        [
            find_row_reason(text, label, name, min_characters=min_characters, max_characters=max_characters)
            for text, label, name in zip(texts, found, used, strict=True)
        ],
        dtype=object,
    )
    return rows.assign(id=raw["id"].to_list(), origin=raw["origin"].to_list()), changed


def _values(column: "pd.Series[str]") -> list[str | None]:
    """Python strings, with None in place of pandas' NaN."""
    return [None if missing else text for text, missing in zip(column, column.isna(), strict=True)]
