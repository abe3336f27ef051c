"""Quantization of an ONNX graph: integers, or floats of half the bits, in place of float32.

Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018
(https://arxiv.org/abs/1712.05877). Each arithmetic has a module in `quantization/`, which says what it does.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from textmill.compression.quantization.block_weights import write_blocks
from textmill.compression.quantization.documents import feeds_of, open_session, sample_documents
from textmill.compression.quantization.dynamic import write_dynamic
from textmill.compression.quantization.half import write_half
from textmill.compression.quantization.sensitivity import Writer, keep_sensitive
from textmill.compression.quantization.smoothing import write_smoothed
from textmill.compression.quantization.static import write_static
from textmill.errors import UserError
from textmill.training.dataset import TrainingData

Arithmetic = Literal["dynamic_int8", "static_int8", "block_int8", "block_int4", "float16", "bfloat16"]
_BITS = {"block_int8": 8, "block_int4": 4}


class UnsupportedArithmetic(UserError):
    """The installed onnxruntime cannot compute in it on this machine."""


def quantize(
    source: Path,
    target: Path,
    data: TrainingData | None,
    *,
    arithmetic: Arithmetic = "dynamic_int8",
    per_channel: bool = False,
    calibration: Mapping[str, Any] | None = None,
    smoothing: float | None = None,
    block_size: int | None = None,
    keep_float: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the quantized twin of `source`; settings are those of `config.steps.quantize`.

    Args:
        data: of whose train split documents are taken, for calibration, smoothing and keep_float.

    Returns:
        Notes: whether a document's answer depends on who shares its batch (`batch_dependent`), and what was measured.

    Raises: EmptySample, DoesNotApply, UnreachableDivergence, UnsupportedArithmetic.
    """
    notes: dict[str, Any] = {"arithmetic": arithmetic, "batch_dependent": arithmetic == "dynamic_int8"}
    with TemporaryDirectory(prefix="textmill-") as folder, _quiet():
        prepared = source
        if arithmetic == "static_int8":
            assert calibration is not None
            documents = sample_documents(data, calibration["documents"], "calibration")
            notes["calibration_documents"] = len(documents)
            feeds = list(feeds_of(documents))
            if smoothing is not None:
                prepared = Path(folder) / "smoothed.onnx"
                notes["smoothed_norms"] = write_smoothed(source, prepared, feeds, smoothing)
            write: Writer = partial(
                _static, prepared, feeds, Path(folder) / "ranges.json", per_channel=per_channel, calibration=calibration
            )
        else:
            write = partial(_weights, source, arithmetic=arithmetic, per_channel=per_channel, block_size=block_size)
        with _explained(arithmetic):
            if keep_float is None:
                write(target, [])
            else:
                assert data is not None
                documents = sample_documents(data, keep_float["documents"], "keep_float")
                limits = {key: keep_float[key] for key in ("max_layers", "max_divergence")}
                notes |= keep_sensitive(prepared, target, write, documents, data.task, **limits)
            open_session(target)
    return notes


def _static(
    source: Path,
    feeds: list[Any],
    ranges: Path,
    target: Path,
    kept: list[str],
    *,
    per_channel: bool,
    calibration: Mapping[str, Any],
) -> None:
    method, percentile = calibration["method"], calibration["percentile"]
    write_static(
        source, target, feeds, ranges, per_channel=per_channel, method=method, percentile=percentile, kept=kept
    )


def _weights(
    source: Path, target: Path, kept: list[str], *, arithmetic: Arithmetic, per_channel: bool, block_size: int | None
) -> None:
    """Of what needs no documents."""
    if arithmetic == "dynamic_int8":
        write_dynamic(source, target, per_channel=per_channel, kept=kept)
    elif arithmetic == "float16" or arithmetic == "bfloat16":
        write_half(source, target, arithmetic)
    else:
        assert block_size is not None
        write_blocks(source, target, bits=_BITS[arithmetic], block_size=block_size, kept=kept)


@contextmanager
def _explained(arithmetic: Arithmetic) -> Iterator[None]:
    """onnxruntime says what it has no kernel for when it opens a graph.

    Raises: UnsupportedArithmetic.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    try:
        yield
    except (states.NotImplemented, states.Fail, states.InvalidGraph) as error:
        raise UnsupportedArithmetic(
            f"compress.recipes: quantize has arithmetic: {arithmetic}, which onnxruntime {onnxruntime.__version__} "
            f"cannot compute on this machine: {error}. Use another arithmetic, such as dynamic_int8."
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer advises a preprocessing that brings nothing here, through the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
