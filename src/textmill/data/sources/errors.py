"""What can be wrong with a source."""

from textmill.errors import UserError


class UnknownLayout(UserError):
    """The source is neither a folder per class nor a file of a known kind."""


class EmptySource(UserError):
    """The source has no documents, or none that `data.where` picks."""


class MissingColumn(UserError):
    """A column that params.yaml names is not in the source."""


class UnusableQuery(UserError):
    """`data.where` cannot be evaluated over the source's columns."""


class UnusableLabels(UserError):
    """The label column holds measured numbers or texts, not classes."""


class UnknownSplit(UserError):
    """A row or a file does not say train, validation or test where it must."""


class UnreadableSource(UserError):
    """A file or row of the source is broken."""
