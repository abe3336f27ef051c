"""Every entry of the plug-in tables keeps its part of the bargain; a new entry is covered without a change here."""

import typing

import pytest

from textmill.compression.recipes import ONNX_METHODS, TORCH_METHODS
from textmill.config import compression, training
from textmill.models.folder import FAMILIES, family


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_a_block_in_params_and_the_methods_that_training_calls(name):
    assert name in training.Model.model_fields
    cls = family(name)
    assert cls.family == name
    for method in ("from_weights", "from_architecture", "architecture", "set_dropout", "forward"):
        assert callable(getattr(cls, method))


def test_every_step_of_the_schema_has_a_method_and_the_other_way_round():
    union, _ = typing.get_args(compression.Step)
    in_schema = {typing.get_args(step.model_fields["method"].annotation)[0] for step in typing.get_args(union)}
    assert in_schema == set(TORCH_METHODS) | set(ONNX_METHODS)
    assert not set(TORCH_METHODS) & set(ONNX_METHODS)
