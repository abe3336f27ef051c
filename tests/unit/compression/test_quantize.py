"""Graphs in other numbers answer as the one in float32 does, as near as their bits allow."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from tests.tiny_model import BLOCKS, META, outspoken, tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.artifacts import size_mb
from textmill.compression.draft import DoesNotApply
from textmill.compression.export import export_onnx
from textmill.compression.quantization.documents import EmptySample, answers, sample_documents
from textmill.compression.quantization.dynamic import write_dynamic
from textmill.compression.quantization.graph_blocks import find_blocks, nodes_of
from textmill.compression.quantization.sensitivity import UnreachableDivergence
from textmill.compression.quantize import UnsupportedArithmetic, quantize
from textmill.data.tokens import TokenArrays
from textmill.training.dataset import TrainingData

CALIBRATION = {"method": "min_max", "documents": 32, "percentile": None}
# Of each arithmetic its settings, and the error of a logit that is allowed, relative to the largest one.
EVERY_ARITHMETIC = {
    "dynamic_int8": ({"per_channel": True}, 0.05),
    "static_int8": ({"per_channel": True, "calibration": CALIBRATION}, 0.08),
    "block_int8": ({"block_size": 16}, 0.05),
    "block_int4": ({"block_size": 16}, 0.5),
    "float16": ({}, 2e-3),
    "bfloat16": ({}, 2e-2),
}
MODELS = [*BLOCKS, "gpt2"]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def data(tokens):
    return TrainingData.open(tokens)


@pytest.fixture(scope="module")
def graphs(tokens, data, tmp_path_factory):
    """The float32 graph of a model, made when it is asked for."""
    folder, made = tmp_path_factory.mktemp("graphs"), {}

    def get(name):
        if name not in made:
            model = tiny_encoder(name) if name == "gpt2" else tiny_model(name, tokens)
            made[name] = folder / f"{name}.onnx"
            export_onnx(outspoken(model), made[name], data.validation, 0)
        return made[name]

    return get


def validation(data):
    return [
        [{"input_ids": np.asarray(w, np.int64)[None], "attention_mask": np.ones((1, len(w)), np.int64)}]
        for w in (data.validation[i][0] for i in range(len(data.validation)))
    ]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("arithmetic", EVERY_ARITHMETIC)
def test_every_family_answers_alike_and_is_smaller(graphs, data, tmp_path, name, arithmetic):
    settings, allowed = EVERY_ARITHMETIC[arithmetic]
    source, target = graphs(name), tmp_path / "model.onnx"
    notes = quantize(source, target, data, arithmetic=arithmetic, **settings)
    expected, given = answers(source, validation(data)), answers(target, validation(data))
    assert np.abs(given - expected).max() < allowed * np.abs(expected).max() + 1e-6
    assert not np.array_equal(given, expected), "the graph is another one"
    assert weight_bytes(target) < weight_bytes(source)
    assert notes["batch_dependent"] == (arithmetic == "dynamic_int8")


def weight_bytes(graph):
    return sum(len(tensor.raw_data) for tensor in onnx.load(graph).graph.initializer)


@pytest.mark.parametrize(("arithmetic", "share"), [("block_int4", 0.2), ("block_int8", 0.33), ("float16", 0.54)])
def test_a_graph_of_large_matrices_is_as_small_as_its_bits_say(data, tmp_path, arithmetic, share):
    """A block of 32 has 4 bytes for its scale: 5 and 9 bits a weight."""
    model = tiny_transformer(hidden_size=256, intermediate_size=512)
    export_onnx(model, tmp_path / "full.onnx", data.validation, 0)
    block_size = {"block_size": 32} if arithmetic.startswith("block") else {}
    quantize(tmp_path / "full.onnx", tmp_path / "small.onnx", data, arithmetic=arithmetic, **block_size)
    assert size_mb(tmp_path / "small.onnx") < share * size_mb(tmp_path / "full.onnx")


@pytest.mark.parametrize("arithmetic", EVERY_ARITHMETIC)
def test_the_same_settings_give_the_same_bytes(graphs, data, tmp_path, arithmetic):
    settings = EVERY_ARITHMETIC[arithmetic][0]
    for name in ("first.onnx", "second.onnx"):
        quantize(graphs("transformer"), tmp_path / name, data, arithmetic=arithmetic, **settings)
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


@pytest.mark.parametrize("arithmetic", EVERY_ARITHMETIC)
def test_who_shares_the_batch_matters_to_dynamic_ranges_only(graphs, data, tmp_path, arithmetic):
    quantize(
        graphs("transformer"), tmp_path / "model.onnx", data, arithmetic=arithmetic, **EVERY_ARITHMETIC[arithmetic][0]
    )
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    ids_WT = np.random.default_rng(5).integers(5, 50, (16, 12))
    mask_WT = np.ones_like(ids_WT)
    together = session.run(None, {"input_ids": ids_WT, "attention_mask": mask_WT})[0]
    alone = [session.run(None, {"input_ids": ids[None], "attention_mask": mask_WT[:1]})[0] for ids in ids_WT]
    difference = np.abs(together - np.concatenate(alone)).max()
    if arithmetic == "dynamic_int8":
        assert difference > 1e-3
    else:  # the last bit of a float may tip an integer over, where products of one row are summed otherwise
        assert difference < 1e-4


def test_int8_weights_are_rounded_to_127_levels_of_each_channel(graphs, data, tmp_path):
    source, target = graphs("bag_of_embeddings"), tmp_path / "int8.onnx"
    quantize(source, target, data, per_channel=True)
    full, int8 = weights(source), weights(target)
    head = int8.get("head.weight_quantized")
    name = next(name for name, values in int8.items() if values.dtype == np.int8 and values.shape in ((24, 2), (2, 24)))
    codes, scale = int8[name], int8[name.replace("_quantized", "_scale")]
    weight = full["head.weight"].T if codes.shape == (24, 2) else full["head.weight"]
    axis = 0 if codes.shape == (24, 2) else 1
    expected_scale = np.abs(weight).max(axis=axis) / 127
    np.testing.assert_allclose(scale, expected_scale, rtol=1e-6)
    assert head is None or head.dtype == np.int8
    np.testing.assert_array_equal(codes, np.round(weight / np.expand_dims(scale, axis)).clip(-127, 127))


def weights(graph):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(graph).graph.initializer}


@pytest.mark.parametrize("method", ["min_max", "entropy", "percentile"])
def test_ranges_are_measured_on_documents_of_any_length(graphs, data, tmp_path, method):
    percentile = 99.9 if method == "percentile" else None
    calibration = {"method": method, "documents": 40, "percentile": percentile}
    notes = quantize(
        graphs("transformer"), tmp_path / "m.onnx", data, arithmetic="static_int8", calibration=calibration
    )
    assert notes["calibration_documents"] == 40
    expected, given = (answers(path, validation(data)) for path in (graphs("transformer"), tmp_path / "m.onnx"))
    assert (given.argmax(1) == expected.argmax(1)).mean() > 0.9


def test_a_percentile_cuts_off_what_min_max_takes_in(graphs, data, tmp_path):
    ranges = {}
    for method, percentile in (("min_max", None), ("percentile", 90.0)):
        calibration = {"method": method, "documents": 40, "percentile": percentile}
        quantize(graphs("transformer"), tmp_path / "m.onnx", data, arithmetic="static_int8", calibration=calibration)
        ranges[method] = sum(
            float(values)
            for name, values in weights(tmp_path / "m.onnx").items()
            if name.startswith("layer_norm") and name.endswith("_scale") and values.shape == ()
        )
    assert 0 < ranges["percentile"] < 0.8 * ranges["min_max"]


def test_only_documents_of_the_train_split_are_read(tokens, graphs, tmp_path):
    """Other validation documents make no difference; other train documents do."""
    made = {}
    for changed in ("nothing", "validation", "train"):
        folder = tmp_path / changed
        shutil.copytree(tokens, folder)
        if changed != "nothing":
            path = folder / f"{changed}.ids.npy"
            np.save(path, np.random.default_rng(0).permutation(np.load(path)))
        quantize(
            graphs("transformer"),
            folder / "m.onnx",
            TrainingData.open(folder),
            arithmetic="static_int8",
            calibration=CALIBRATION,
            smoothing=0.5,
            keep_float={"documents": 8, "max_layers": 1, "max_divergence": None},
        )
        made[changed] = (folder / "m.onnx").read_bytes()
    assert made["nothing"] == made["validation"] != made["train"]


def test_documents_are_spread_over_those_that_are_trained_on(data):
    everything = sample_documents(data, 1000, "calibration")
    assert len(everything) == len(data.train)
    ends = sample_documents(data, 2, "calibration")
    np.testing.assert_array_equal(ends[1][0]["input_ids"][0], data.train[len(data.train) - 1][0])
    part = sample_documents(data.sample(0.1, seed=1), 1000, "calibration")
    assert len(part) == 16


def test_an_empty_sample_is_refused(graphs, data, tmp_path):
    none = {**CALIBRATION, "documents": 0}
    with pytest.raises(EmptySample, match=r"calibration\.documents: 0, and the train split has 160"):
        quantize(graphs("transformer"), tmp_path / "m.onnx", data, arithmetic="static_int8", calibration=none)
    empty = TrainingData(data.train, data.validation, 0, "single_label", 2, 32, indices=np.arange(0))
    with pytest.raises(EmptySample, match="the train split has 0 documents"):
        quantize(graphs("transformer"), tmp_path / "m.onnx", empty, arithmetic="static_int8", calibration=CALIBRATION)


def test_what_onnxruntime_cannot_compute_is_said(graphs, tmp_path, data):
    """A graph that it has no kernel for: the message names the version and the arithmetic."""
    model = onnx.load(graphs("bag_of_embeddings"))
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Nothing", "com.microsoft"
    del model.graph.node[-1].attribute[:]
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(
        UnsupportedArithmetic, match=rf"arithmetic: float16, which onnxruntime {onnxruntime.__version__}"
    ):
        quantize(tmp_path / "odd.onnx", tmp_path / "m.onnx", data, arithmetic="float16")


def test_smoothing_changes_nothing_in_float_and_helps_where_a_feature_is_large(data, tmp_path):
    """One feature of a norm is 60 times the others, as in trained transformers: one scale rounds the others away."""
    import torch

    from textmill.compression.quantization.smoothing import write_smoothed

    model = outspoken(tiny_transformer())
    with torch.no_grad():
        norm = model.layers[0].attention.output.LayerNorm
        norm.weight[3] *= 60
        model.layers[0].intermediate.dense.weight[:, 3] /= 60
    source = tmp_path / "full.onnx"
    export_onnx(model, source, data.validation, 0)
    feeds = [feed for windows in sample_documents(data, 32, "calibration") for feed in windows]
    assert write_smoothed(source, tmp_path / "smooth.onnx", feeds, 0.5) == 4  # norms before products, of two layers
    expected = answers(source, validation(data))
    np.testing.assert_allclose(answers(tmp_path / "smooth.onnx", validation(data)), expected, atol=1e-3)
    errors = {}
    for smoothing in (None, 0.5):
        target = tmp_path / "static.onnx"
        quantize(
            source,
            target,
            data,
            arithmetic="static_int8",
            per_channel=True,
            calibration=CALIBRATION,
            smoothing=smoothing,
        )
        errors[smoothing] = np.abs(answers(target, validation(data)) - expected).mean()
    assert errors[0.5] < 0.7 * errors[None]


def test_smoothing_needs_a_norm(graphs, data, tmp_path):
    with pytest.raises(DoesNotApply, match="smoothing"):
        quantize(
            graphs("lstm"),
            tmp_path / "m.onnx",
            data,
            arithmetic="static_int8",
            calibration=CALIBRATION,
            smoothing=0.5,
        )


@pytest.mark.parametrize("arithmetic", ["dynamic_int8", "static_int8", "block_int4"])
def test_the_most_sensitive_stay_in_float(graphs, data, tmp_path, arithmetic):
    settings = {**EVERY_ARITHMETIC[arithmetic][0], "arithmetic": arithmetic}
    source, target = graphs("transformer"), tmp_path / "m.onnx"

    def run(max_layers, max_divergence):
        limits = {"documents": 16, "max_layers": max_layers, "max_divergence": max_divergence}
        return quantize(source, target, data, **settings, keep_float=limits)

    two = run(2, None)
    found = [block["divergence"] for block in two["blocks"]]
    assert found == sorted(found, reverse=True)
    assert len(found) == 3 + 2 * 4 + 1  # tables; of each layer query, key and value, and three more; the head
    assert [block["name"] for block in two["kept_float"]] == [block["name"] for block in two["blocks"][:2]]
    assert weight_bytes(target) > quantized_bytes(source, tmp_path / "all.onnx", data, settings)
    met = run(None, two["divergence_without"] * 0.8)
    assert met["divergence"] <= met["divergence_without"] * 0.8
    assert len(met["kept_float"]) >= 1
    assert run(None, 1e6)["kept_float"] == []
    with pytest.raises(UnreachableDivergence, match=r"keep_float\.max_divergence: 1e-12, .* max_layers: 1 in float"):
        run(1, 1e-12)


def quantized_bytes(source, target, data, settings):
    quantize(source, target, data, **settings)
    return weight_bytes(target)


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_other_tasks_have_a_divergence_of_their_own(tokens, graphs, tmp_path, task):
    labels = {"multi_label": lambda y: np.stack([y, 1 - y], 1).astype(np.uint8), "regression": np.float32}[task]
    meta = {"task": task} | ({"labels": [], "target": {"mean": 0.5, "std": 0.5}} if task == "regression" else {})
    shutil.copytree(tokens, tmp_path / "tokens")
    for split in ("train", "validation"):
        path = tmp_path / f"tokens/{split}.labels.npy"
        np.save(path, labels(np.load(path)))
    (tmp_path / "tokens/tokens.json").write_text(json.dumps({**META, **meta}))
    data = TrainingData.open(tmp_path / "tokens")
    limits = {"documents": 8, "max_layers": 1, "max_divergence": None}
    notes = quantize(graphs("text_cnn"), tmp_path / "m.onnx", data, per_channel=True, keep_float=limits)
    assert len(notes["kept_float"]) == 1
    assert notes["blocks"][0]["divergence"] > 0


def test_a_product_is_kept_under_the_name_that_the_quantizer_gives_it(graphs, tmp_path):
    """The products of a GPT-2 are Gemm nodes, which become MatMul nodes with other names."""
    blocks = [block for block in find_blocks(graphs("gpt2")) if "wte" not in block.name and "wpe" not in block.name]
    assert len(blocks) == 2 * 4 + 1  # layers, each with four products; the head
    found = {}
    for num_kept in (0, 1, len(blocks)):
        write_dynamic(graphs("gpt2"), tmp_path / "m.onnx", per_channel=True, kept=nodes_of(blocks[:num_kept]))
        found[num_kept] = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node].count("MatMulInteger")
    assert found == {0: 9, 1: 8, len(blocks): 0}


def test_long_documents_are_read_window_by_window(tokens):
    data = TrainingData.open(tokens)
    two_windows = TokenArrays(data.train.ids, data.train.offsets, data.train.windows[::2], data.train.labels[::2])
    both = TrainingData(two_windows, data.validation, 0, "single_label", 2, 32)
    documents = sample_documents(both, 3, "calibration")
    assert [len(windows) for windows in documents] == [2, 2, 2]
