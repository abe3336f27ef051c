"""Counts from the graph equal those of torch on the model that it was made from."""

import copy
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.utils.flop_counter import FlopCounterMode

from tests.tiny_model import META, tiny_encoder, tiny_model, write_tokens
from textmill.bundle import write_bundle
from textmill.compression.export import export_onnx
from textmill.compression.quantize import quantize
from textmill.data.tokens import TokenArrays
from textmill.evaluation.graph_costs import count_operations, count_parameters

WORDS = "w5 w9 w12 w30 w31 w32 w33 w40 w11 w12 w13"
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokens(tmp_path_factory.mktemp("tokens"))


def build(name: str, tokens: Path) -> torch.nn.Module:
    """A model whose parameters all differ: an export stores equal ones once."""
    model = tiny_encoder("modernbert", num_labels=3) if name == "modernbert" else tiny_model(name, tokens, num_labels=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model.eval()


def bundle_of(model: Path, tokens: Path, folder: Path, **changes: object) -> Path:
    """A bundle of an exported model and the tokenizer of the tokens."""
    folder.mkdir()
    shutil.copy(model, folder / "model.onnx")
    shutil.copy(tokens / "tokenizer.json", folder / "tokenizer.json")
    settings = {"max_length": META["max_length"], "long_documents": META["long_documents"], "pad_id": 0, **changes}
    write_bundle(
        folder,
        family="tiny",
        task="single_label",
        labels=["a", "b", "c"],
        thresholds=None,
        target=None,
        temperature=1.0,
        recipe=[],
        parent=None,
        lineage={},
        **settings,
    )
    return folder


def operations_of_torch(model: torch.nn.Module, num_documents: int, length: int) -> int:
    twin = copy.deepcopy(model)
    for module in twin.modules():
        if hasattr(module, "set_attn_implementation"):
            module.set_attn_implementation("eager")  # the counter does not know the fused product on a CPU
    ids = torch.randint(5, 50, (num_documents, length))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):  # nor its LSTM
        twin(ids, torch.ones_like(ids))
    return int(counter.get_total_flops())


@pytest.fixture(scope="module")
def transformer(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    """A BERT and its graph: an export takes seconds."""
    model, path = build("transformer", tokens), tmp_path_factory.mktemp("transformer") / "model.onnx"
    export_onnx(model, path, TokenArrays.open(tokens, "validation"), 0)
    return model, path


def check(model: torch.nn.Module, graph: Path, tokens: Path, folder: Path) -> None:
    """The graph and its quantised one cost what the model does; rotary frequencies, which are stored, count too."""
    quantize(graph, folder / "int8.onnx", None, per_channel=True)
    rotary = {name: tensor for name, tensor in model.named_buffers() if "original" not in name and "inv_freq" in name}
    num_parameters = sum(tensor.numel() for tensor in (*model.parameters(), *rotary.values()))
    expected = operations_of_torch(model, 1, 1 + len(WORDS.split()))
    assert expected > 0
    for number, path in enumerate((graph, folder / "int8.onnx")):
        assert count_parameters(path) == num_parameters
        assert count_operations(bundle_of(path, tokens, folder / f"bundle{number}"), WORDS) == expected


@pytest.mark.filterwarnings("ignore:TF32")
def test_a_transformer_costs_what_torch_counts(
    transformer: tuple[torch.nn.Module, Path], tokens: Path, tmp_path: Path
) -> None:
    check(*transformer, tokens, tmp_path)


@pytest.mark.parametrize("name", ["lstm", "text_cnn", "bag_of_embeddings", pytest.param("modernbert", marks=SLOW)])
@pytest.mark.filterwarnings("ignore:TF32")
def test_the_other_families_do(name: str, tokens: Path, tmp_path: Path) -> None:
    model = build(name, tokens)
    export_onnx(model, tmp_path / "model.onnx", TokenArrays.open(tokens, "validation"), 0)
    check(model, tmp_path / "model.onnx", tokens, tmp_path)


@pytest.mark.filterwarnings("ignore:TF32")
def test_all_windows_of_a_long_document_count(
    transformer: tuple[torch.nn.Module, Path], tokens: Path, tmp_path: Path
) -> None:
    """Eleven words in windows of [CLS] and three: four windows, all of the length of the longest."""
    model, graph = transformer
    windows = {"strategy": "windows", "head_share": 0.25, "overlap": 0, "max_windows": 8}
    bundle = bundle_of(graph, tokens, tmp_path / "bundle", max_length=4, long_documents=windows)
    assert count_operations(bundle, WORDS) == operations_of_torch(model, 4, 4)


def test_scales_of_a_whole_tensor_are_no_parameters(transformer: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    model, graph = transformer
    quantize(graph, tmp_path / "int8.onnx", None, per_channel=False)
    assert count_parameters(tmp_path / "int8.onnx") == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.filterwarnings("ignore:TF32")
def test_weights_in_blocks_count_as_what_they_stand_for(
    transformer: tuple[torch.nn.Module, Path], tokens: Path, tmp_path: Path, bits: int
) -> None:
    """Blocks are filled up with zeros, and two numbers of 4 bits are in a byte: neither changes what is counted."""
    model, graph = transformer
    arithmetic = "block_int4" if bits == 4 else "block_int8"
    quantize(graph, tmp_path / "small.onnx", None, arithmetic=arithmetic, block_size=64)
    assert count_parameters(tmp_path / "small.onnx") == sum(parameter.numel() for parameter in model.parameters())
    expected = operations_of_torch(model, 1, 1 + len(WORDS.split()))
    assert count_operations(bundle_of(tmp_path / "small.onnx", tokens, tmp_path / "bundle"), WORDS) == expected


def graph_bundle(node: onnx.NodeProto, tensors: list[onnx.TensorProto], tokens: Path, folder: Path) -> Path:
    """A graph of one node that works on embeddings of 6 numbers a token, channels first [W, 6, T]."""
    embeddings = numpy_helper.from_array(np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32), "table")
    axes = numpy_helper.from_array(np.array([2], np.int64), "axes")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Transpose", ["words"], ["channels"], perm=[0, 2, 1]),
        node,
        helper.make_node("ReduceMean", ["worked", "axes"], ["logits"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["W", "T"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["W", 3])]
    graph = helper.make_graph(nodes, "one", inputs, outputs, [embeddings, axes, *tensors])
    path = folder / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return bundle_of(path, tokens, folder / "bundle")


@pytest.mark.parametrize("groups", [1, 3])
def test_a_convolution_counts_as_in_torch(groups: int, tokens: Path, tmp_path: Path) -> None:
    weights = torch.randn(3, 6 // groups, 5)
    tensor = numpy_helper.from_array(weights.numpy(), "weights")
    node = helper.make_node("Conv", ["channels", "weights"], ["worked"], group=groups, pads=[2, 2])
    bundle = graph_bundle(node, [tensor], tokens, tmp_path)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        torch.nn.functional.conv1d(torch.randn(1, 6, 1 + len(WORDS.split())), weights, padding=2, groups=groups)
    assert count_operations(bundle, WORDS) == counter.get_total_flops()
    assert count_parameters(bundle / "model.onnx") == 50 * 6 + weights.numel()


def test_what_cannot_be_counted_is_unknown(tokens: Path, tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.ones((3, 6), np.float32), "weights")
    node = helper.make_node("Einsum", ["weights", "channels"], ["worked"], equation="ch,wht->wct")
    assert count_operations(graph_bundle(node, [tensor], tokens, tmp_path), WORDS) is None
