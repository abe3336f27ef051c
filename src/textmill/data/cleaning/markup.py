"""HTML to plain text, in time that is linear in the text, whatever is in it.

No parser: one would take `<grin>` and `vector<int>` for tags, drop what follows an unclosed comment, and need minutes
for a megabyte of unclosed `<div>` (Lexbor: 73 s for 200,000 of them). Here only what is surely a tag is taken out.
"""

import html
import re
from html.entities import html5
from re import Match

# Elements of HTML, so that `<grin>`, `vector<int>` and `I <3 it` stay what they are: plain text.
_INLINE = (
    "a abbr acronym applet area audio b base basefont bdi bdo big body button canvas cite code col colgroup data "
    "datalist del dfn em embed fieldset font frame frameset head html i iframe img input ins kbd label link map mark "
    "meta meter noframes noscript object optgroup output param picture progress q rp rt ruby s samp script select slot "
    "small source span strike strong style sub summary sup svg tbody template tfoot thead time track tt u var video wbr"
)
_BLOCKS = (
    "address article aside blockquote br caption center dd details dialog dir div dl dt figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol option p pre section table td textarea th title tr "
    "ul"
)
_REPLACEMENTS = dict.fromkeys(_INLINE.split(), "") | dict.fromkeys(_BLOCKS.split(), " ")
# Attributes have a value here: `if a <b and c> d` is no markup. The few that may go without are listed.
_ATTRIBUTE = r"""\s++[\w:.-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>=]++)"""
_FLAG = (
    r"\s++(?:allowfullscreen|async|autoplay|checked|controls|defer|disabled|hidden|ismap|loop|multiple|muted|nowrap|"
    r"readonly|required|reversed|selected)(?![\w:.-])"
)
_ATTRIBUTES = rf"(?:{_ATTRIBUTE}|{_FLAG})*+\s*+"
_TAG = re.compile(rf"</?([a-z][a-z0-9]*+){_ATTRIBUTES}/?>", re.IGNORECASE)
# What goes together with all that it holds, and the document type.
_HIDDEN = re.compile(rf"<(?:(!--)|!doctype\b[^<>]*+>|(script|style|template){_ATTRIBUTES}>)", re.IGNORECASE)
_ENDS = {name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in ("script", "style", "template")}
_ENDS["!--"] = re.compile("-->")
_ENTITY = re.compile(r"&(?:(#\d{1,7}|#x[0-9a-f]{1,6})|([a-z][a-z0-9]{1,31}));", re.IGNORECASE)


def html_to_text(text: str) -> str:
    """Drop tags, comments, scripts and styles, and decode entities; text without markup is returned as it is.

    Block elements and `<br>` become a space, so that the words around them stay apart. What only looks like markup
    stays: unknown tags, comments and scripts without an end, entities without a semicolon.
    """
    if "<" in text:
        if _HIDDEN.search(text):
            text = _drop_hidden(text)
        text = _TAG.sub(_replace_tag, text)
    return _ENTITY.sub(_decode_entity, text) if "&" in text else text


def _drop_hidden(text: str) -> str:
    pieces = []
    position = 0
    endless = set()  # an end that is not there is looked for once, or a thousand openings would take a thousand passes
    while opening := _HIDDEN.search(text, position):
        pieces.append(text[position : opening.start()])
        position = opening.end()
        name = (opening[1] or opening[2] or "").lower()
        ending = _ENDS[name].search(text, position) if name and name not in endless else None
        if ending:
            position = ending.end()
        elif name:
            endless.add(name)
            pieces.append(opening[0] if name == "!--" else "")
    return "".join([*pieces, text[position:]])


def _replace_tag(tag: Match[str]) -> str:
    return _REPLACEMENTS.get(tag[1].lower(), tag[0])


def _decode_entity(entity: Match[str]) -> str:
    if entity[1]:
        return html.unescape(entity[0])
    # Not html.unescape: it would take the beginning of `&notice;` for `&not`.
    return html5.get(f"{entity[2]};", entity[0])
