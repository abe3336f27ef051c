"""Masks: web addresses, e-mail addresses and numbers become a word that says what stood there.

Every pattern has one place to begin at and little to go back over, so that a million characters without a space take
linear time too.
"""

import re
from re import Match

URL, EMAIL, NUMBER = "<url>", "<email>", "<number>"
# An address without a scheme is one by its ending, and only where nothing else is likely: `end.The` is none.
_URL = re.compile(
    r"""(?<![\w@.-])(?:
        (?:(?:https?|ftp)://|www\.)[^\s<>"]++
        | (?:[\w-]{1,63}\.){1,8}(?:com|org|net|edu|gov|info)(?:\.[a-z]{2})?(?![\w@-])(?!\.\w)(?:/[^\s<>"]*+)?
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_HINTS = ("://", "www.", ".com", ".org", ".net", ".edu", ".gov", ".info")
_SENTENCE = ".,;:!?'*_~\u2019\u2026"  # ends of sentences that lean on an address
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_NUMBER = re.compile(r"(?<!\w)(?<!\d[.,])\d++(?:[.,]\d++)*+(?!\w)")


def mask_urls(text: str) -> str:
    """Replace web addresses, with a scheme, `www.` or a common ending, by `<url>`; punctuation after them stays."""
    lower = text.lower()
    return _URL.sub(_replace_url, text) if any(hint in lower for hint in _HINTS) else text


def mask_emails(text: str) -> str:
    """Replace e-mail addresses by `<email>`."""
    return _EMAIL.sub(EMAIL, text) if "@" in text else text


def mask_numbers(text: str) -> str:
    """Replace numbers in digits, `1,000.50` as one, by `<number>`; digits in a word (`B2B`, `3rd`) stay."""
    return _NUMBER.sub(NUMBER, text)


def _replace_url(found: Match[str]) -> str:
    address = found[0]
    surplus = {close: address.count(close) - address.count(opening) for opening, close in ("()", "[]", "{}")}
    end = len(address)
    # A bracket that closes what the address did not open belongs to the sentence.
    while address[end - 1] in _SENTENCE or surplus.get(address[end - 1], 0) > 0:
        end -= 1
        if address[end] in surplus:
            surplus[address[end]] -= 1
    return URL + address[end:]
