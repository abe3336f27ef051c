"""What quantize and train_quantized are told is told in full, and makes sense."""

import pytest
from pydantic import ValidationError

from textmill.config.steps.quantize import QuantizeStep
from textmill.config.steps.train_quantized import TrainQuantizedStep

STATIC = {"arithmetic": "static_int8", "calibration": {"method": "min_max", "documents": 64}}


def test_what_is_left_out_is_not_done():
    step = QuantizeStep(method="quantize")
    assert (step.arithmetic, step.per_channel) == ("dynamic_int8", False)
    assert (step.calibration, step.smoothing, step.block_size, step.keep_float) == (None, None, None, None)
    assert not TrainQuantizedStep(method="train_quantized", epochs=1, learning_rate=1e-4).per_channel


def test_each_arithmetic_has_keys_of_its_own():
    assert QuantizeStep(method="quantize", **STATIC, smoothing=0.5, per_channel=True).calibration.documents == 64
    assert QuantizeStep(method="quantize", arithmetic="block_int4", block_size=32).block_size == 32
    assert QuantizeStep(method="quantize", keep_float={"documents": 8, "max_layers": 2}).keep_float.max_layers == 2


def calibration(**changed):
    return {**STATIC, "calibration": {**STATIC["calibration"], **changed}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arithmetic": "int3"}, "'dynamic_int8', 'static_int8', 'block_int8', 'block_int4', 'float16' or 'bfloat16'"),
        ({"arithmetic": "static_int8"}, "static_int8 and calibration belong together"),
        ({"calibration": STATIC["calibration"]}, "static_int8 and calibration belong together"),
        (calibration(documents=0), "greater than or equal to 1"),
        (calibration(percentile=99.9), "percentile, such as 99.99, belongs to method: percentile"),
        (calibration(method="percentile"), "percentile, such as 99.99, belongs to method: percentile"),
        (calibration(method="percentile", percentile=100.1), "less than or equal to 100"),
        (calibration(method="percentile", percentile=5), "greater than 50"),
        ({"smoothing": 0.5}, "smoothing is for arithmetic: static_int8, not dynamic_int8"),
        ({**STATIC, "smoothing": 1.5}, "less than or equal to 1"),
        ({"arithmetic": "block_int8"}, "block_size, such as 32, belongs to"),
        ({"block_size": 32}, "block_size, such as 32, belongs to"),
        ({"arithmetic": "block_int8", "block_size": 20}, "16, 32, 64, 128 or 256"),
        ({"arithmetic": "float16", "per_channel": True}, "per_channel is for arithmetic: dynamic_int8 or static_int8"),
        ({"arithmetic": "float16", "keep_float": {"documents": 8, "max_layers": 1}}, "keep_float is for integers"),
        ({"keep_float": {"documents": 8}}, "set max_layers, max_divergence or both"),
        ({"keep_float": {"documents": 0, "max_layers": 1}}, "greater than or equal to 1"),
        ({"keep_float": {"documents": 8, "max_divergence": 0}}, "greater than 0"),
        ({"bits": 8}, "Extra inputs"),
    ],
)
def test_a_mistake_in_quantize_is_told(given, message):
    with pytest.raises(ValidationError, match=message):
        QuantizeStep(**{"method": "quantize", **given})
