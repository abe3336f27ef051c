"""`python -m textmill.cli`, the same as `textmill`."""

from textmill.cli import app

app()
