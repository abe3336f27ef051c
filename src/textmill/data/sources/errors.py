"""What can be wrong with a source."""

from textmill.errors import UserError


class UnknownLayout(UserError):
    """The source is neither a folder per class nor a file of a known kind."""


class EmptySource(UserError):
    """The source has no documents, or none that `data.where` picks."""


class MissingColumn(UserError):
    """The text or label column is not in the source."""


class UnusableQuery(UserError):
    """`data.where` cannot be evaluated over the source's columns."""


class UnreadableSource(UserError):
    """A file or row of the source is broken."""
