"""What is wrong with a storage of studies, in our words and without its password."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from textmill.errors import UserError

# Words of SQLite, PostgreSQL, MySQL, gRPC and Optuna, and what helps; the first that is found counts.
_ADVICE = {
    "no longer compatible": (
        "Make a copy of it, then run `optuna storage upgrade --storage URL`; where a newer Optuna made it, install "
        "that one here, or name another storage."
    ),
    "password|authentication|access denied": (
        "Correct the user or the password: TEXTMILL_STUDY_STORAGE may hold the whole address with the password, which "
        "is never shown, and which params.yaml should not hold."
    ),
    'database ".*" does not exist|unknown database': (
        "Make the database first (`createdb NAME`), or correct the name: only the tables in it are made here."
    ),
    "locked": "Another program holds it: end that one, or wait until it is done.",
    "no space|disk.*full": "Make room: what is finished is kept.",
    "permission denied|readonly|read-only|insufficient|unable to open": "Give this user the right to write there.",
    "malformed|not a database|corrupt": (
        "Put a backup of it back, or move it away: a new study then starts. Nothing in it was changed."
    ),
    "refused|unreachable|unavailable|translate|resolve|not known|no route|timed? ?out|timeout|deadline|closed|lost": (
        "Is its server running, and can this machine reach it? Correct the address, start the server, or set "
        "tune.storage to null for optuna.db here. What is finished is kept."
    ),
}
_OTHERWISE = "Correct tune.storage or TEXTMILL_STUDY_STORAGE; null keeps studies in optuna.db here."
_LONGEST = 400  # characters of a driver's message
_SHORTEST = 3


class StorageUnusable(UserError):
    """The storage of studies cannot be reached, read or written."""


def hide_password(text: str) -> str:
    """A url, or a text with urls, without passwords: those before the host, and those among the options."""
    text = re.sub(r":(?!//)\S*@", ":***@", text)  # also where the scheme is forgotten or misspelt
    return re.sub(r"(?i)\b(\w*passw\w*)=[^&\s]*", r"\1=***", text)


@contextmanager
def telling(url: str, *, opening: bool = False) -> Iterator[None]:
    """Raise what a storage raises as StorageUnusable.

    Args:
        opening: nothing but the storage can raise in the block.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not opening and not is_of_storage(error):
            raise
        raise unusable(url, _first_words(error)) from None


def unusable(url: str, reason: str, advice: str | None = None) -> StorageUnusable:
    """Args:
    advice: what helps; without it, what helps against such a reason.
    """
    reason = _without_password(url, reason)
    if advice is None:
        found = (told for words, told in _ADVICE.items() if re.search(words, reason, re.IGNORECASE))
        advice = next(found, _OTHERWISE)
    return StorageUnusable(f"The study storage {hide_password(url)} cannot be used: {reason.rstrip('.')}. {advice}")


def is_of_storage(error: Exception) -> bool:
    grpc = sys.modules.get("grpc")
    return isinstance(error, SQLAlchemyError | StorageInternalError) or bool(grpc and isinstance(error, grpc.RpcError))


def _first_words(error: Any) -> str:
    """What the driver said, without the statement that SQLAlchemy adds."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    told = error.details() if hasattr(error, "details") and callable(error.details) else str(error)
    told = str(told).partition(" Please ")[0]  # Optuna's advice; ours names the command
    lines = [line.strip() for line in (told or type(error).__name__).splitlines() if line.strip()]
    return "; ".join(lines)[:_LONGEST]


def _without_password(url: str, text: str) -> str:
    found = re.search(r"://[^:/@\s]*:(\S+)@", url)
    for password in {found[1], unquote(found[1])} if found else ():
        if len(password) > _SHORTEST:  # a shorter one is part of other words; no driver repeats it
            text = text.replace(password, "***")
    return hide_password(text)
