"""The tokenize stage on real reviews; a model with a trained tokenizer from tokens to a bundle that predicts."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer

from tests.corpora import movie_reviews
from tests.stage.stages import REPOSITORY, fail_stage, run_stages
from textmill.artifacts import DOCUMENTS, read_json, write_table
from textmill.assets import resolve
from textmill.config import load_params
from textmill.data.tokens import TokenArrays, read_meta
from textmill.long_documents import plan_windows, windows_of
from textmill.models.folder import load_model
from textmill.paths import Paths
from textmill.runtime import Classifier

TRAINED = "{algorithm: bpe, vocabulary_size: 2000, min_frequency: 2, lowercase: true}"


def prepare(folder, *, train=None, validation=None, **changes):
    """Splits of real reviews, and params.yaml with some lines changed."""
    documents = movie_reviews()[:1000].reindex(columns=DOCUMENTS.names)
    paths = Paths(folder, folder)
    write_table(paths.split("train"), documents[:400] if train is None else train, DOCUMENTS)
    write_table(paths.split("validation"), documents[600:800] if validation is None else validation, DOCUMENTS)
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    for key, value in changes.items():
        text, count = re.subn(rf"^((?:  )?{key}:).*$", rf"\1 {value}", text, flags=re.MULTILINE)
        assert count >= 1, key
    if changes.get("task") == "regression":
        text = re.sub(r"^(  labels:).*\n    0: .*\n    1: .*$", r"\1 null", text, flags=re.MULTILINE)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return paths


def test_damaged_weights_are_told_before_anything_is_tokenized(tmp_path):
    weights = tmp_path / "data/inputs/weights"
    shutil.copytree(resolve(load_params(REPOSITORY / "params.yaml").model.weights), weights)
    paths = prepare(tmp_path, weights="data/inputs/weights")
    with (weights / "model.safetensors").open("r+b") as file:
        file.truncate(1_000_000)
    message = fail_stage(paths.root, "tokenize")
    assert "model.safetensors is damaged or cut short" in message
    assert not paths.tokens.exists()


def as_lists(arrays):
    return [[window.tolist() for window in arrays[i]] for i in range(len(arrays))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The stage's output and what it printed, with BPE trained on 400 reviews."""
    paths = prepare(tmp_path_factory.mktemp("trained"), max_length="32", tokenizer="trained", trained=TRAINED)
    answer = run_stages(paths.root, "tokenize")
    assert answer.returncode == 0, answer.stderr
    return paths, answer.stdout


def test_what_is_told_of_a_trained_tokenizer(trained):
    paths, printed = trained
    meta = read_meta(paths.tokens)
    train = meta["splits"]["train"]
    texts = movie_reviews()["text"][:400]
    assert meta["tokenizer"] == {
        "kind": "trained",
        "algorithm": "bpe",
        "vocabulary_size": 2000,
        "min_frequency": 2,
        "lowercase": True,
        "num_documents": 400,
        "num_characters": texts.str.len().sum(),
    }
    assert (meta["vocabulary_size"], meta["pad_id"]) == (2000, 0)
    assert train["unknown_share"] == 0
    tokenizer = Tokenizer.from_file(str(paths.tokens / "tokenizer.json"))
    lengths = [len(tokenizer.encode(text)) for text in texts]
    assert train["truncated_share"] == pytest.approx(sum(length > 32 for length in lengths) / 400, abs=1e-6)
    assert train["whole_tokens_max"] == max(lengths) > train["tokens_max"] == 32
    assert [row["max_length"] for row in meta["max_length_costs"]["rows"]] == [32, 64, 128, 256, 512]
    assert "bpe trained on 400 documents, 2,000 tokens" in printed
    assert "at 32 tokens" in printed
    assert "; at 64, " in printed


def test_arrays_hold_what_the_saved_tokenizer_says(trained):
    paths, _ = trained
    tokenizer = Tokenizer.from_file(str(paths.tokens / "tokenizer.json"))
    tokenizer.enable_truncation(32)
    for split, texts in (("train", movie_reviews()["text"][:400]), ("validation", movie_reviews()["text"][600:800])):
        arrays = TokenArrays.open(paths.tokens, split)
        assert as_lists(arrays) == [[tokenizer.encode(text).ids] for text in texts]


def test_the_same_splits_give_the_same_bytes(trained, tmp_path):
    paths = prepare(tmp_path, max_length="32", tokenizer="trained", trained=TRAINED)
    assert run_stages(paths.root, "tokenize").returncode == 0
    for file in trained[0].tokens.iterdir():
        assert (paths.tokens / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_vocabulary_that_is_too_small_is_told(tmp_path):
    from textmill.config import load_params
    from textmill.errors import UserError

    prepare(tmp_path, tokenizer="trained", trained=TRAINED.replace("2000", "200"))
    with pytest.raises(UserError, match=r"tokenize\.trained\.vocabulary_size"):
        load_params(tmp_path / "params.yaml")


def test_a_class_that_train_lacks_is_told(tmp_path):
    stray = movie_reviews()[600:602].assign(label="neutral").reindex(columns=DOCUMENTS.names)
    known = movie_reviews()[602:700].reindex(columns=DOCUMENTS.names)
    prepare(tmp_path, validation=pd.concat([known, stray]))
    message = " ".join(fail_stage(tmp_path, "tokenize").split())
    assert "validation.parquet has a document (" in message
    assert "with the label 'neutral', which no train document has" in message
    assert not (tmp_path / "data/tokens").exists()


@pytest.mark.parametrize("strategy", ["head_tail", "windows"])
def test_long_documents_are_read_in_windows(tmp_path, strategy):
    long_documents = {"strategy": strategy, "head_share": 0.25, "overlap": 4, "max_windows": 2}
    paths = prepare(tmp_path, max_length="16", long_documents=json.dumps(long_documents))
    answer = run_stages(paths.root, "tokenize")
    assert answer.returncode == 0, answer.stderr
    meta, arrays = read_meta(paths.tokens), TokenArrays.open(paths.tokens, "train")
    tokenizer = Tokenizer.from_file(str(paths.tokens / "tokenizer.json"))
    contents = [tokenizer.encode(text, add_special_tokens=False).ids for text in movie_reviews()["text"][:400]]
    plan = plan_windows(16, 2, long_documents)
    assert as_lists(arrays) == [windows_of(content, plan, [101], [102]) for content in contents]
    train = meta["splits"]["train"]
    assert (meta["long_documents"], train["num_windows"]) == (long_documents, len(arrays.window_lengths))
    assert train["truncated_share"] == pytest.approx(sum(len(content) > plan.most_tokens for content in contents) / 400)
    assert (f"{train['num_windows']} windows" in answer.stdout) == (strategy == "windows")


def test_many_labels_and_numbers(tmp_path):
    sides = movie_reviews()["label"][600:800].map({"positive": "film|positive", "negative": ""})
    validation = movie_reviews()[600:800].assign(label=sides).reindex(columns=DOCUMENTS.names)
    train = movie_reviews()[:400].assign(label=["film", "film|positive", ""] * 133 + ["film"])
    paths = prepare(tmp_path, task="multi_label", train=train, validation=validation)
    assert run_stages(paths.root, "tokenize").returncode == 0
    assert read_meta(paths.tokens)["labels"] == ["film", "positive"]
    labels = TokenArrays.open(paths.tokens, "validation").labels
    assert labels.tolist() == [[float(bool(side)), float(bool(side))] for side in sides]
    assert labels.dtype == np.float32

    numbers = [repr(number / 7) for number in range(400)]
    validation = validation.assign(label="-0.5")
    paths = prepare(tmp_path, task="regression", train=train.assign(label=numbers), validation=validation)
    assert run_stages(paths.root, "tokenize").returncode == 0
    meta = read_meta(paths.tokens)
    assert (meta["task"], meta["labels"]) == ("regression", [])
    assert meta["target"]["mean"] == pytest.approx(399 / 14)
    assert TokenArrays.open(paths.tokens, "train").labels.tolist() == np.float32(numbers).tolist()
    assert set(TokenArrays.open(paths.tokens, "validation").labels) == {-0.5}

    prepare(tmp_path, task="regression", train=train.assign(label="1.0"), validation=validation)
    assert "has the number 1 for a label" in fail_stage(tmp_path, "tokenize")


@pytest.mark.slow
def test_a_trained_tokenizer_goes_into_the_bundle(trained):
    """Tokenize, search (none), train and compress, and the bundle answers from texts alone."""
    paths, _ = trained
    text = paths.params.read_text(encoding="utf-8")
    text = re.sub(r"^  num_trials: .*$", "  num_trials: 0", text, flags=re.MULTILINE)
    paths.params.write_text(re.sub(r"^  epochs: .*$", "  epochs: 1", text, flags=re.MULTILINE), encoding="utf-8")
    code = (
        "import runpy, sys\n"
        "for words in (['tune'], ['train'], ['compress', 'full'], ['compress', 'int8']):\n"
        "    sys.argv = words\n"
        "    runpy.run_module(f'pipeline.{words[0]}', run_name='__main__')"
    )
    answer = run_stages(paths.root, code=code)
    assert answer.returncode == 0, answer.stderr
    model, description = load_model(paths.model("trained") / "torch")
    assert model.encoder.get_input_embeddings().weight.shape == (2000, 384)
    assert description["architecture"]["config"]["vocab_size"] == 2000
    for name in ("full", "int8"):
        bundle = paths.bundle(name)
        assert (bundle / "tokenizer.json").read_bytes() == (paths.tokens / "tokenizer.json").read_bytes()
        classifier = Classifier.load(bundle)
        (prediction,) = classifier.predict(["A truly wonderful film, with \U0001f9ff in it."])
        assert prediction.label in ("negative", "positive")
        validation = TokenArrays.open(paths.tokens, "validation")
        texts = movie_reviews()["text"][600:640].tolist()
        assert classifier.encode(texts) == as_lists(validation)[:40]
    assert read_json(paths.bundle("full") / "bundle.json")["pad_id"] == 0
    full, int8 = (paths.bundle(name) / "model.onnx" for name in ("full", "int8"))
    assert full.stat().st_size < 50e6  # 91 MB with the weights' own vocabulary
    assert int8.stat().st_size < 15e6
