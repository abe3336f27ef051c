"""E-mail addresses and telephone numbers in texts."""

import re

from textmill.errors import UserError

# Bounded everywhere, so that no text makes it slow. Words such as user@host without a dot are no address.
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
# Seven digits with little between them: what phonenumbers, which is slow, is asked about.
_DIGITS = re.compile(r"[+(]{0,2}\d(?:[^\w\n]{0,3}\d){6}[\d\s().,/-]{0,40}")
_AROUND = 12  # characters before and after; phonenumbers looks at them, too
_MOST_ATTEMPTS = 20  # of a text that is a table of numbers


class UnknownRegion(UserError):
    """contract.phone_region is no country that libphonenumber knows."""


def check_region(region: str | None) -> None:
    """Raises: UnknownRegion: numbers without a prefix would not be found, such as British ones with UK."""
    from phonenumbers import SUPPORTED_REGIONS

    if region is not None and region not in SUPPORTED_REGIONS:
        raise UnknownRegion(
            f"contract.phone_region is {region}, which is no country code of ISO 3166 (Britain is GB, not UK). Mend it "
            "in params.yaml, or set null to find numbers with a prefix such as +44 only."
        )


def has_email(text: str) -> bool:
    """Does the text hold an e-mail address?"""
    return "@" in text and _EMAIL.search(text) is not None


def has_phone(text: str, region: str | None) -> bool:
    """Does the text hold a telephone number that exists in its country's numbering plan?

    Args:
        region: country of numbers without a prefix, such as US; None finds those with one (+44 ...) only.

    Source: libphonenumber's PhoneNumberMatcher, leniency VALID.
    """
    if region is None and "+" not in text:
        return False
    from phonenumbers import Leniency, PhoneNumberMatcher

    for attempt, match in enumerate(_DIGITS.finditer(text)):
        if attempt == _MOST_ATTEMPTS:
            break
        around = text[max(match.start() - _AROUND, 0) : match.end() + _AROUND]
        if PhoneNumberMatcher(around, region, leniency=Leniency.VALID, max_tries=_MOST_ATTEMPTS).has_next():
            return True
    return False
