"""The one base class of every error that a user can mend."""


class UserError(ValueError):
    """A mistake in the input, said in one paragraph: what, where, what is allowed, what to do.

    The stages and the command line print its message without a traceback and exit with 1.
    """
