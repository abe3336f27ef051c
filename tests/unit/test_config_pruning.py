"""What prune and sparsify are told is told in full, and makes sense."""

import pytest
from pydantic import ValidationError

from textmill.config.steps.prune import PruneStep
from textmill.config.steps.sparsify import SparsifyStep

TRAINED = {"epochs": 1, "learning_rate": 1e-4}
PRUNE = {"method": "prune", "importance": "taylor", **TRAINED}
SPARSIFY = {"method": "sparsify", **TRAINED}


def test_what_is_left_out_is_not_done():
    step = PruneStep(**PRUNE, heads=0.5)
    assert (step.layers, step.feed_forward, step.width, step.filters, step.hidden) == (0, 0, 0, 0, 0)
    assert (step.target, step.rounds, step.soft_weight, step.temperature) == (None, 1, 0, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "prune removes nothing: set a share of layers, heads"),
        ({"heads": 0.0, "layers": 0.0}, "prune removes nothing"),
        ({"heads": 1.0}, "less than 1"),
        ({"importance": "similarity", "heads": 0.5, "layers": 0.5}, "similarity ranks layers only, not layers, heads"),
        ({"importance": "size", "heads": 0.5}, "'taylor', 'magnitude' or 'similarity'"),
        ({"heads": 0.5, "target": {}}, "set one of parameters and latency"),
        ({"heads": 0.5, "target": {"parameters": 0.5, "latency": 0.5}}, "set one of parameters and latency"),
        ({"heads": 0.5, "target": {"parameters": 1.5}}, "less than 1"),
        ({"heads": 0.5, "rounds": 0}, "greater than or equal to 1"),
        ({"heads": 0.5, "soft_weight": 0.5}, "soft_weight above 0 and temperature belong together"),
        ({"heads": 0.5, "temperature": 2.0}, "soft_weight above 0 and temperature belong together"),
        ({"units": 0.5}, "Extra inputs"),
    ],
)
def test_a_mistake_in_prune_is_told(given, message):
    with pytest.raises(ValidationError, match=message):
        PruneStep(**{**PRUNE, **given})


def test_importance_has_to_be_chosen():
    with pytest.raises(ValidationError, match=r"importance\n +Field required"):
        PruneStep(method="prune", heads=0.5, **TRAINED)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "sparsify needs one of zeros and pattern"),
        ({"zeros": 0.5, "pattern": "2:4"}, "sparsify needs one of zeros and pattern"),
        ({"zeros": 1.0}, "less than 1"),
        ({"pattern": "two of four"}, "should match pattern"),
        ({"pattern": "4:4"}, "4:4 takes nothing out"),
    ],
)
def test_a_mistake_in_sparsify_is_told(given, message):
    with pytest.raises(ValidationError, match=message):
        SparsifyStep(**SPARSIFY, **given)
