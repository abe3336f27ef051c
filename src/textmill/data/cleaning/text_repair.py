"""Repair of Unicode: mojibake, control and invisible characters, white space. Each step is a function of one text."""

import re
import unicodedata
from re import Match

import ftfy
from ftfy import fixes
from ftfy.badness import BADNESS_RE, MOJIBAKE_CATEGORIES
from ftfy.chardata import C1_CONTROL_RE, LIGATURES, UTF8_DETECTOR_RE, WIDTH_MAP

# Entities are html_to_text's business, control characters and terminal codes remove_control's.
_FTFY = ftfy.TextFixerConfig(
    unescape_html=False, remove_terminal_escapes=False, remove_control_chars=False, explain=False
)
_ASCII = bytes(range(0x80))
_WIDE = re.compile("[" + re.escape("".join(map(chr, [*LIGATURES, *WIDTH_MAP]))) + "]")
# ftfy's fixes of single characters, in its order, each with the characters that it changes.
_FIXES = (
    (C1_CONTROL_RE, fixes.fix_c1_controls),
    (_WIDE, lambda line: fixes.fix_character_width(fixes.fix_latin_ligatures(line))),
    (re.compile("[\u02bc\u2018-\u201f]"), fixes.uncurl_quotes),
    (re.compile("[\ud800-\udfff]"), fixes.fix_surrogates),
)
# What ftfy takes for mojibake is at most seven characters long, and two of them, side by side, are of its categories,
# one at least no common letter of Greek or Cyrillic; or it is one of a few that are telling without company.
_COMMON = ("lower_common", "upper_common")
_SUSPECT = "".join(MOJIBAKE_CATEGORIES.values())
_TELLING = "".join(chars for name, chars in MOJIBAKE_CATEGORIES.items() if name not in _COMMON) + "\u0402"
_ALONE = "\x80-\x9f\u0152\u0153\xc2\xc3"
_CLUE = re.compile(f"[{_SUSPECT}](?:(?<=[{_ALONE}])|(?<=[{_TELLING}])[{_SUSPECT}]|[{_TELLING}])")
_REACH = 7
_CROWDED = re.compile(r"\x1a|[^\x00-\x7f][\x00-\x7f]{0,2}[^\x00-\x7f]")

_PRINTABLE = bytes(range(0x20, 0x7F))
_PLAIN = _PRINTABLE + b"\t\n"
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\))")
# Joiners are part of the spelling between letters of the scripts from Arabic to Mongolian, and in emoji.
_JOINING = "\u0600-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\uabff\U00010a00-\U00016fff"
_VIRAMA = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINER = (
    rf"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])|(?<=[{_VIRAMA}])[\u200c\u200d]|"
    rf"(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}])"
)
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"  # of a region, such as Scotland: letters that are not shown
# C0 and C1; soft hyphen, Arabic letter mark, Mongolian vowel separator, zero-width space, directional marks,
# invisible operators, deprecated format characters, byte order mark, annotations, object replacement, tags.
_CONTROL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc"
    "\U000e0000-\U000e007f"
)
_REMOVED = re.compile(rf"(?P<kept>{_JOINER}|{_FLAG})|(?P<line>\r\n?|[\x0b\x0c\x1c-\x1f\x85])|[\u200c\u200d{_CONTROL}]")
_DOUBTFUL = re.compile(rf"[\u200c\u200d{_CONTROL}]")
# Shown, and so no blank text: not white space, controls, joiners, fillers (Hangul, Braille) or variation selectors.
_VISIBLE = re.compile(rf"[^\s{_CONTROL}\u200c\u200d\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0]")


def repair_unicode(text: str) -> str:
    """Mend mojibake, broken surrogates, ligatures, full-width letters and curly quotes (ftfy); normalise to NFC.

    The result is ftfy's, but lines that it would not change are told without its work, which is most of the time.
    """
    if text.isascii() and "\r" not in text:
        return text
    lines = text.split("\n")
    if max(map(len, lines)) >= _FTFY.max_decode_length:
        return ftfy.fix_text(text, _FTFY)
    ends = [*["\n"] * (len(lines) - 1), ""]
    return "".join(_repair_line(line + end) for line, end in zip(lines, ends, strict=True))


def _repair_line(line: str) -> str:
    """The loop of ftfy.fix_and_explain, with each fix left out where it has nothing to do."""
    if line.isascii() and "\r" not in line:
        return line
    while True:
        fixed = _fix_encoding(line) if _looks_bad(line) else line
        for needs, fix in _FIXES:
            if needs.search(_beyond_ascii(fixed)):
                fixed = fix(fixed)
        fixed = unicodedata.normalize("NFC", fixes.fix_line_breaks(fixed))
        if fixed == line:
            return line
        line = fixed


def _beyond_ascii(text: str) -> str:
    """The characters that are not ASCII, which are few: quicker to get by way of bytes than to search among all."""
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")


def _fix_encoding(line: str) -> str:
    """ftfy.fix_encoding, with a short way for the commonest of all: Windows-1252 that was read as Latin-1.

    Where each character beyond ASCII stands alone, a C1 control is in no encoding part of a UTF-8 sequence, nor of one
    that lost some bytes: all that ftfy can do in the end is to read the control as Windows-1252.
    """
    if C1_CONTROL_RE.search(line) and not _CROWDED.search(line) and not UTF8_DETECTOR_RE.search(line):
        line = fixes.fix_c1_controls(line)
        return ftfy.fix_encoding(line) if _looks_bad(line) else line
    return ftfy.fix_encoding(line)


def _looks_bad(line: str) -> bool:
    """What ftfy.badness.is_bad says, asked only where there is a clue: its pattern takes 0.2 us a character."""
    end = 0
    for clue in _CLUE.finditer(line):
        start = clue.start()
        if start < end - _REACH - 2:  # so near to the last one that it was seen with it
            continue
        end = start + 2 * _REACH
        if BADNESS_RE.search(line, max(0, start - _REACH), end):
            return True
    return False


def remove_control(text: str) -> str:
    """Drop terminal codes, control characters, and characters that are invisible.

    Joiners stay where they are part of the spelling (Persian, Indic scripts, emoji). Controls that separate lines or
    fields become a line break. A text in NFC stays in NFC.
    """
    if text.isascii() and not text.encode().translate(None, _PLAIN):
        return text
    if not _DOUBTFUL.search(text):
        return text
    removed = _REMOVED.sub(_replace_control, _ESCAPE.sub("", text) if "\x1b" in text else text)
    return unicodedata.normalize("NFC", removed) if unicodedata.is_normalized("NFC", text) else removed


def _replace_control(control: Match[str]) -> str:
    return control["kept"] or ("\n" if control["line"] else "")


def collapse_whitespace(text: str) -> str:
    """Make any run of white space one space, and trim."""
    if (
        text.isascii()
        and "  " not in text
        and not text.encode().translate(None, _PRINTABLE)
        and not text.startswith(" ")
        and not text.endswith(" ")
    ):
        return text
    return " ".join(text.split())


def is_blank(text: str) -> bool:
    """Is nothing of the text to be seen?"""
    return not _VISIBLE.search(text)
