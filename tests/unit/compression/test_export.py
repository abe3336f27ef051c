"""Graphs answer as their models do, for any batch; the contract tests have one of each family."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.tiny_model import DECODERS, ENCODERS, outspoken, tiny_encoder, tiny_model, write_tokens
from textmill.compression.export import export_onnx
from textmill.compression.quantize import quantize
from textmill.data.tokens import TokenArrays
from textmill.models.ensemble import Ensemble


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"))


def check(model, tokens, path):
    """Compare graph and model on other batches than the one that the export has seen; return the node types."""
    assert export_onnx(model, path, TokenArrays.open(tokens, "validation"), 0) < 1e-4
    session = onnxruntime.InferenceSession(path)
    generator = np.random.default_rng(0)
    for documents, length in ((1, 1), (1, 30), (7, 2), (9, 17)):
        ids_WT = generator.integers(1, 50, (documents, length))
        mask_WT = (np.arange(length) < generator.integers(1, length + 1, documents)[:, None]).astype(np.int64)
        answer = session.run(None, {"input_ids": ids_WT, "attention_mask": mask_WT})[0]
        with torch.no_grad():
            expected = model(torch.from_numpy(ids_WT), torch.from_numpy(mask_WT)).numpy()
        np.testing.assert_allclose(answer, expected, atol=1e-4)
    return nodes(path)


def nodes(path):
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.slow
@pytest.mark.parametrize("model_type", [*ENCODERS, *DECODERS])
def test_any_architecture_is_exported(tokens, tmp_path, model_type):
    model = outspoken(tiny_encoder(model_type, num_labels=3))
    attention = model.encoder.config._attn_implementation
    check(model, tokens, tmp_path / "model.onnx")
    assert model.encoder.config._attn_implementation == attention, "the model itself stays as it was"
    quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", None, per_channel=True)
    assert nodes(tmp_path / "int8.onnx").count("MatMulInteger") > 8


def test_an_ensemble_is_exported_with_all_its_members(tokens, tmp_path):
    members = [outspoken(tiny_model("lstm", tokens)) for _ in range(2)]
    with torch.no_grad():
        members[1].head.weight.neg_()
    found = check(Ensemble(members).eval(), tokens, tmp_path / "model.onnx")
    assert found.count("LSTM") == 2 * 2  # members, layers


def test_an_lstm_and_a_cnn_are_quantized_where_it_pays(tokens, tmp_path):
    """onnxruntime has an integer LSTM, and an integer convolution that is slower than the one in float32."""
    export_onnx(tiny_model("lstm", tokens), tmp_path / "lstm.onnx", TokenArrays.open(tokens, "validation"), 0)
    quantize(tmp_path / "lstm.onnx", tmp_path / "lstm8.onnx", None, per_channel=True)
    assert nodes(tmp_path / "lstm8.onnx").count("DynamicQuantizeLSTM") == 2
    export_onnx(tiny_model("text_cnn", tokens), tmp_path / "cnn.onnx", TokenArrays.open(tokens, "validation"), 0)
    quantize(tmp_path / "cnn.onnx", tmp_path / "cnn8.onnx", None, per_channel=True)
    assert nodes(tmp_path / "cnn8.onnx").count("MatMulInteger") == 3 + 1  # widths, head
    assert not {"Conv", "ConvInteger"} & {*nodes(tmp_path / "cnn.onnx"), *nodes(tmp_path / "cnn8.onnx")}
