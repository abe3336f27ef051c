"""The schema of params.yaml, a file for each part of it, and the one function that reads it.

Every knob is written in params.yaml: the models have no defaults, so that `dvc params diff` sees all of them, and an
unknown or misspelt key is an error.
"""

from textmill.config.base import Name
from textmill.config.params import Params
from textmill.config.reading import InvalidParams, load_params

__all__ = ["InvalidParams", "Name", "Params", "load_params"]
