"""What a variant shows for itself, against models whose answers are known."""

import json
import shutil

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save

from tests.tiny_model import BLOCKS, HYPER, META, SETTINGS, outspoken, tiny_encoder, tiny_model, write_tokens
from textmill.artifacts import read_json
from textmill.bundle import read_manifest
from textmill.compression.evidence import compare
from textmill.compression.export import export_onnx
from textmill.compression.graph_parts import PARTS, measure_parts
from textmill.compression.quantize import quantize
from textmill.compression.recipes import Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.data.tokens import TokenArrays
from textmill.models.folder import save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData

QUANTIZE = Step("quantize", {"per_channel": True})
NUM_VALIDATION = 150  # more than parity looks at


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), num_train=16, num_validation=NUM_VALIDATION)


def make(folder, tokens, *recipes, model=None):
    """Run recipes NAME, PARENT, STEPS after another; return the evidence of the last one."""
    save_model(folder / "trained/torch", model or outspoken(tiny_model("transformer", tokens)), {"hyperparameters": {}})
    recovery = Recovery(TrainingData.open(tokens), SETTINGS, HYPER, folder / "checkpoints")
    for name, parent, steps in recipes:
        run_recipe(steps, folder / parent, folder / name, recovery, {"key": "k"})
    return read_json(folder / recipes[-1][0] / "evidence.json")


def logits(bundle, tokens):
    validation = TokenArrays.open(tokens, "validation")
    return Classifier.load(bundle).logits_of_ids([validation[i] for i in range(len(validation))], batch_size=1)


def test_the_exported_model_is_the_network_and_its_own_parent(tokens, tmp_path):
    told = make(tmp_path, tokens, ("full", "trained", []))
    assert told["parity"]["max_difference"] < 1e-4
    assert (told["parity"]["agreement"], told["parity"]["changed"], told["parity"]["num_documents"]) == (1.0, 0, 64)
    assert told["agreement"] == told["parity"], "trained is what it was exported from"
    assert (told["parent"], told["steps"]) == ("trained", [])
    assert told["seconds"] > 0


def test_a_child_is_compared_with_what_its_parent_answered(tokens, tmp_path):
    told = make(tmp_path, tokens, ("full", "trained", []), ("int8", "full", [QUANTIZE]))
    own_NC, full_NC = (logits(tmp_path / name / "bundle", tokens) for name in ("int8", "full"))
    labels_N = TokenArrays.open(tokens, "validation").labels
    own_N, full_N = own_NC.argmax(1), full_NC.argmax(1)
    agreement = told["agreement"]
    assert agreement["num_documents"] == NUM_VALIDATION
    assert agreement["max_difference"] == pytest.approx(np.abs(own_NC - full_NC).max(), rel=0.01)
    assert agreement["max_difference"] > 1e-3, "int8 rounds"
    assert agreement["agreement"] == pytest.approx((own_N == full_N).mean())
    assert agreement["changed"] == (own_N != full_N).sum()
    assert agreement["only_it_right"] == ((own_N == labels_N) & (full_N != labels_N)).sum()
    assert agreement["only_other_right"] == ((own_N != labels_N) & (full_N == labels_N)).sum()
    assert told["parity"]["num_documents"] == 64, "of the network behind it"
    assert told["parity"]["max_difference"] <= agreement["max_difference"] + 1e-4
    assert [step["method"] for step in told["steps"]] == ["quantize"]


def test_without_a_network_behind_it_there_is_no_parity(tokens, tmp_path):
    recipes = [("full", "trained", []), ("int8", "full", [QUANTIZE]), ("copy", "int8", [])]
    told = make(tmp_path, tokens, *recipes)
    assert told["parity"] is None
    assert (told["agreement"]["agreement"], told["agreement"]["max_difference"]) == (1.0, 0.0)


def test_bundle_json_has_the_figures_and_no_time(tokens, tmp_path):
    told = make(tmp_path, tokens, ("full", "trained", []), ("int8", "full", [QUANTIZE]))
    manifest = read_manifest(tmp_path / "int8/bundle")
    assert manifest["evidence"] == {name: told[name] for name in ("parity", "agreement", "bytes")}
    assert "seconds" not in json.dumps(manifest["evidence"])


def test_the_figures_do_not_depend_on_the_number_of_threads(tokens, tmp_path, monkeypatch):
    """bundle.json holds them, and the same model made again is the same bytes."""
    model = outspoken(tiny_model("bag_of_embeddings", tokens))
    make(tmp_path, tokens, ("full", "trained", []), model=model)
    data, own_NC, used = TrainingData.open(tokens), logits(tmp_path / "full/bundle", tokens), []
    monkeypatch.setattr(model, "forward", lambda *given: (used.append(torch.get_num_threads()), torch.zeros(1, 2))[1])
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        compare(tmp_path / "full/bundle", own_NC, data, model, tmp_path / "nothing", data)
        assert set(used) == {1} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_an_opposite_network_changes_every_answer(tokens, tmp_path):
    """Its head gives the logits of the other label: whatever the one has right, the other has wrong."""
    model = outspoken(tiny_model("bag_of_embeddings", tokens))
    make(tmp_path, tokens, ("full", "trained", []), model=model)
    with torch.no_grad():
        model.head.weight.copy_(model.head.weight.flip(0))
        model.head.bias.copy_(model.head.bias.flip(0))
    data = TrainingData.open(tokens)
    own_NC = logits(tmp_path / "full/bundle", tokens)
    figures = compare(tmp_path / "full/bundle", own_NC, data, model, tmp_path / "nothing", data)
    parity = figures["parity"]
    assert (parity["agreement"], parity["changed"]) == (0.0, parity["num_documents"])
    assert parity["only_it_right"] + parity["only_other_right"] == parity["num_documents"]
    assert figures["agreement"] is None


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_sets_of_labels_agree_as_a_whole_and_numbers_do_not(tokens, tmp_path, task):
    shutil.copytree(tokens, tmp_path / "tokens")
    meta = {**META, "task": task}
    for split in ("train", "validation"):
        file = tmp_path / f"tokens/{split}.labels.npy"
        labels_N = np.load(file)
        by_task = {"multi_label": np.stack([labels_N**0, labels_N], 1).astype(np.uint8), "regression": labels_N * 1.0}
        np.save(file, by_task[task])
    if task == "regression":
        meta |= {"labels": [], "target": {"mean": 0.5, "std": 0.5}}
    (tmp_path / "tokens/tokens.json").write_text(json.dumps(meta))
    model = outspoken(tiny_model("transformer", tokens, num_labels=1 if task == "regression" else 2))
    told = make(tmp_path, tmp_path / "tokens", ("full", "trained", []), ("int8", "full", [QUANTIZE]), model=model)
    own_NC, full_NC = (logits(tmp_path / name / "bundle", tmp_path / "tokens") for name in ("int8", "full"))
    agreement = told["agreement"]
    assert agreement["max_difference"] == pytest.approx(np.abs(own_NC - full_NC).max(), rel=0.01)
    if task == "regression":
        assert agreement["agreement"] is agreement["changed"] is None
        return
    answers = []
    for name, logits_NC in (("int8", own_NC), ("full", full_NC)):
        manifest = read_manifest(tmp_path / name / "bundle")
        probabilities_NC = 1 / (1 + np.exp(-logits_NC / manifest["temperature"]))
        answers.append(probabilities_NC >= manifest["thresholds"])
    assert agreement["changed"] == (answers[0] != answers[1]).any(axis=1).sum()


@pytest.mark.parametrize("name", [*BLOCKS, "gpt2", "albert"])
def test_the_parts_of_a_graph_are_those_of_the_network(tokens, tmp_path, name):
    """By the network's own modules: of its parameters, in float32; and a quarter of them as int8."""
    model = tiny_model(name, tokens) if name in BLOCKS else tiny_encoder(name)
    path = tmp_path / "model.onnx"
    export_onnx(model, path, TokenArrays.open(tokens, "validation"), 0)
    parts = measure_parts(path)
    assert sum(parts.values()) == path.stat().st_size
    assert set(parts) == {*PARTS, "other"}
    head = sum(p.numel() for p in model.head.parameters())
    assert parts["head"] == pytest.approx(4 * head, abs=400)
    assert parts["embeddings"] >= 4 * model.depth_groups()[0][0].numel()
    of_family = {"lstm": ["recurrence"], "text_cnn": ["convolutions"], "bag_of_embeddings": []}
    expected = {"embeddings", "head", *of_family.get(name, ["attention", "feed_forward"])}
    assert {part for part in PARTS if parts[part] > 0} == expected
    named = sum(parts[part] for part in PARTS)  # nothing that was learned is among the rest
    assert named >= 0.97 * 4 * sum(p.numel() for p in model.parameters())
    quantize(path, tmp_path / "int8.onnx", None, per_channel=False)
    smaller = measure_parts(tmp_path / "int8.onnx")
    for part in expected - {"head"}:
        assert smaller[part] < 0.75 * parts[part], part


def test_a_graph_of_other_makers_is_told_by_its_names(tmp_path):
    weights = {"score.weight": 7, "h.0.attn.w_quantized": 11, "x1": 5}
    graph = helper.make_graph(
        [helper.make_node("Identity", ["score.weight"], ["logits"])],
        "g",
        [],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [7])],
        [numpy_helper.from_array(np.zeros(size, np.float32), name) for name, size in weights.items()],
    )
    save(helper.make_model(graph), tmp_path / "model.onnx")
    parts = measure_parts(tmp_path / "model.onnx")
    assert 28 <= parts["head"] < 70
    assert 44 <= parts["attention"] < 90
    assert parts["embeddings"] == 0
