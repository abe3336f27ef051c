"""Models of every family with a trimmed vocabulary: the same logits for covered text."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.text_tokens import write_texts
from tests.tiny_model import BLOCKS, HYPER, META, SETTINGS, outspoken, tiny_encoder, tiny_transformer
from tests.vocabularies import KINDS, TEXTS, small_tokenizer
from textmill.artifacts import read_json, size_mb, write_json
from textmill.bundle import read_manifest
from textmill.compression.recipes import Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.compression.trim_vocabulary import trim_vocabulary
from textmill.compression.vocabulary.retokenizing import open_tokens
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.models.ensemble import Ensemble
from textmill.models.folder import FAMILIES, family, load_model, save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData

SHORT = [text for text in TEXTS if len(text) < 60]  # so that the model reads all of them
TRAIN, OTHERS = SHORT[:24], SHORT[24:36]
TRIM = {"min_count": 1, "max_tokens": None, "drop_characters": False}
QUANTIZE = Step("quantize", {"per_channel": True})


def build(name, root, **block):
    torch.manual_seed(0)
    tokens = root / "data/tokens"
    settings = {**BLOCKS[name], **block}
    model = family(name).build(settings, tokens=tokens, weights=tokens, pretrained=None, num_labels=2)
    return outspoken(model)


def prepare(root, kind="wordpiece", train=TRAIN, others=OTHERS, **meta):
    """What a recipe is given, for texts that a tokenizer of this kind reads."""
    splits = write_texts(root, small_tokenizer(kind), {"train": train, "validation": others}, **meta)
    data = TrainingData.open(root / "data/tokens")
    return Recovery(data, SETTINGS, HYPER, root / "checkpoints", splits=splits)


def logits_of(model, windows):
    ids_WT = torch.tensor([windows])
    with torch.no_grad():
        return model.eval()(ids_WT, torch.ones_like(ids_WT))


def assert_same_logits(full, trimmed, old, new, texts):
    for text in texts:
        before, after = old.encode(text).ids, new.encode(text).ids
        assert torch.equal(logits_of(full, before), logits_of(trimmed, after)), text


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe", "unigram"])
def test_logits_of_covered_text_are_identical(name, kind, tmp_path):
    recovery = prepare(tmp_path, kind)
    save_model(tmp_path / "torch", build(name, tmp_path), {})
    full, model = (load_model(tmp_path / "torch")[0] for _ in range(2))
    draft = trim_vocabulary(model, recovery, **TRIM)
    old, new = load_tokenizer(recovery.data.folder), load_tokenizer(draft.data.folder)
    assert new.get_vocab_size() < old.get_vocab_size()
    assert_same_logits(full, draft.model, old, new, [*TRAIN, "", "a film"])
    save_model(tmp_path / "trimmed", draft.model, {})
    again, _ = load_model(tmp_path / "trimmed")
    assert_same_logits(full, again, old, new, TRAIN)


@pytest.mark.parametrize(
    "model_type", ["roberta", "electra", "albert", "deberta-v2", "modernbert", "distilbert", "gpt2"]
)
def test_any_encoder_loses_tokens(model_type, tmp_path):
    """RoBERTa counts positions from the padding's id, which must stay."""
    recovery = prepare(tmp_path)
    values = tiny_encoder(model_type).architecture()
    size = small_tokenizer("wordpiece").get_vocab_size()
    values["config"] |= {"vocab_size": size, "pad_token_id": 0}
    torch.manual_seed(0)
    full = outspoken(type(tiny_transformer()).from_architecture(values))
    save_model(tmp_path / "torch", full, {})
    draft = trim_vocabulary(load_model(tmp_path / "torch")[0], recovery, **TRIM)
    save_model(tmp_path / "trimmed", draft.model, {})
    again, _ = load_model(tmp_path / "trimmed")
    assert again.encoder.config.vocab_size == again.encoder.get_input_embeddings().num_embeddings < size
    old, new = load_tokenizer(recovery.data.folder), load_tokenizer(draft.data.folder)
    assert_same_logits(full, again, old, new, TRAIN[:10])


def test_an_ensemble_loses_them_in_each_member(tmp_path):
    recovery = prepare(tmp_path)
    members = [build("bag_of_embeddings", tmp_path), build("bag_of_embeddings", tmp_path, embedding_size=10)]
    save_model(tmp_path / "torch", Ensemble(members), {})
    full, model = (load_model(tmp_path / "torch")[0] for _ in range(2))
    draft = trim_vocabulary(model, recovery, **TRIM)
    old, new = load_tokenizer(recovery.data.folder), load_tokenizer(draft.data.folder)
    assert_same_logits(full, draft.model, old, new, TRAIN)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", ["truncate", "head_tail", "windows"])
def test_the_arrays_are_the_old_ones_renumbered_where_covered(kind, strategy, tmp_path):
    """Of a word that was cut at max_length, what was read may not be all that it takes to read it the same."""
    long = [" ".join(TRAIN[i : i + 6]) for i in range(0, 24, 6)]
    told = {**META["long_documents"], "strategy": strategy, "overlap": 3, "max_windows": 3}
    texts = {"train": [*TRAIN, *long, ""], "validation": [*long, *OTHERS]}
    recovery = prepare(tmp_path, kind, *texts.values(), max_length=20, long_documents=told)
    model = build("bag_of_embeddings", tmp_path)
    draft = trim_vocabulary(model, recovery, **TRIM)
    old, new = (load_tokenizer(data.folder) for data in (recovery.data, draft.data))
    place = {number: new.token_to_id(name) for name, number in old.get_vocab().items()}
    num_covered = 0
    for split, documents in texts.items():
        before, after = getattr(recovery.data, split), getattr(draft.data, split)
        assert (before.labels == after.labels).all()
        for i, text in enumerate(documents):
            if None not in [place[number] for number in old.encode(text).ids]:
                num_covered += 1
                windows = [[place[number] for number in window.tolist()] for window in before[i]]
                assert [window.tolist() for window in after[i]] == windows
    assert num_covered > len(TRAIN) / 2
    if strategy == "windows":
        assert max(np.diff(draft.data.train.windows)) == 3


def test_the_notes_count_what_is_covered(tmp_path):
    """`villainous` and its pieces are in no document of the train split."""
    recovery = prepare(tmp_path, "words", ["a film", "a story"], ["a film", "a film a comedy", "comedy comedy"])
    draft = trim_vocabulary(build("bag_of_embeddings", tmp_path), recovery, **TRIM)
    size = small_tokenizer("words").get_vocab_size()
    assert draft.notes == {
        "tokens_before": size,
        "tokens_after": 5 + 1 + 3,  # special tokens, the added one, and three words
        "mb_saved": round((size - 9) * 24 * 4 / 1e6, 3),
        "train": {"uncovered_tokens": 0, "uncovered_documents": 0, "unknown_share": 0},
        "validation": {
            "uncovered_tokens": round(3 / 14, 6),
            "uncovered_documents": round(2 / 3, 6),
            "unknown_share": round(3 / 8, 6),
        },
    }


@pytest.fixture
def name():
    """Family of the trained model."""
    return "bag_of_embeddings"


@pytest.fixture
def recipe(name, tmp_path):
    """Runs a recipe as the stage does, on the tokens that the parent reads; returns the model folder."""
    recovery = prepare(tmp_path)
    save_model(tmp_path / "trained/torch", build(name, tmp_path), {"max_length": 32})

    def make(name, parent, *steps):
        scratch = tmp_path / "scratch" / name
        data = open_tokens(tmp_path / parent, tmp_path / "data/tokens", recovery.splits, 32, scratch)
        run_recipe(steps, tmp_path / parent, tmp_path / name, replace(recovery, data=data, checkpoints=scratch), {})
        return tmp_path / name

    return make


@pytest.mark.parametrize("name", ["transformer"])
def test_a_trimmed_bundle_answers_covered_texts_as_the_full_one(recipe):
    full, trimmed = recipe("full", "trained"), recipe("trimmed", "full", Step("trim_vocabulary", TRIM))
    expected, found = (Classifier.load(folder / "bundle") for folder in (full, trimmed))
    np.testing.assert_allclose(found.predict_logits(TRAIN), expected.predict_logits(TRAIN), atol=1e-5)
    assert [answer.label for answer in found.predict(TRAIN)] == [answer.label for answer in expected.predict(TRAIN)]
    assert np.isfinite(found.predict_logits(["", "Ünïcödé ☃ 中文", "unheard-of \x00 words", "x" * 500])).all()
    assert size_mb(trimmed / "bundle") < size_mb(full / "bundle")
    (told,) = read_json(trimmed / "evidence.json")["steps"]
    assert told["notes"]["tokens_after"] < told["notes"]["tokens_before"]


def test_children_read_the_trimmed_vocabulary(recipe, tmp_path):
    """Of a parent with PyTorch weights, and of one that is a bundle only; a vocabulary may be trimmed twice."""
    recipe("full", "trained")
    trimmed = recipe("trimmed", "full", Step("trim_vocabulary", TRIM))
    assert (
        recipe("copy", "trimmed").joinpath("bundle/model.onnx").read_bytes()
        == (trimmed / "bundle/model.onnx").read_bytes()
    )
    int8 = recipe("int8", "trimmed", QUANTIZE)
    child = recipe("child", "int8")
    assert not (child / "torch").exists()
    for folder in (int8, child):
        assert (folder / "bundle/tokenizer.json").read_bytes() == (trimmed / "bundle/tokenizer.json").read_bytes()
        agreement = read_json(folder / "evidence.json")["agreement"]
        assert agreement["agreement"] > 0.9
    smaller = recipe("smaller", "trimmed", Step("trim_vocabulary", {**TRIM, "drop_characters": True}), QUANTIZE)
    assert size_mb(smaller / "bundle") < size_mb(int8 / "bundle")
    expected, found = (Classifier.load(folder / "bundle") for folder in (child, smaller))
    np.testing.assert_allclose(found.predict_logits(TRAIN), expected.predict_logits(TRAIN), atol=0.3)


@pytest.mark.parametrize("name", ["transformer"])
@pytest.mark.slow
def test_a_child_is_trained_on_the_trimmed_vocabulary(recipe):
    trimmed = recipe("trimmed", "trained", Step("trim_vocabulary", {**TRIM, "drop_characters": True}))
    factors = {"rank": 8, "epochs": 1, "learning_rate": 1e-3}
    child = recipe("child", "trimmed", Step("factorize_embeddings", factors), QUANTIZE)
    model, description = load_model(recipe("floats", "trimmed", Step("factorize_embeddings", factors)) / "torch")
    assert model.architecture()["config"]["vocab_size"] == load_tokenizer(trimmed / "bundle").get_vocab_size()
    assert model.architecture()["embedding_rank"] == 8
    assert description["parent"] == "trimmed"
    assert read_manifest(child / "bundle")["pad_id"] == 0
    assert np.isfinite(Classifier.load(child / "bundle").predict_logits(TRAIN)).all()
    assert size_mb(child / "bundle/model.onnx") < size_mb(trimmed / "bundle/model.onnx")


def test_the_same_recipe_gives_the_same_bytes(recipe):
    folders = [recipe(name, "trained", Step("trim_vocabulary", TRIM), QUANTIZE) for name in ("first", "second")]
    for file in ("model.onnx", "tokenizer.json", "bundle.json"):
        assert len({(folder / "bundle" / file).read_bytes() for folder in folders}) == 1, file


@pytest.mark.parametrize(("task", "labels"), [("multi_label", ["no", "yes"]), ("regression", [])])
def test_labels_of_any_task_stay(task, labels, tmp_path):
    splits = write_texts(tmp_path, small_tokenizer("wordpiece"), {"train": TRAIN, "validation": OTHERS})
    folder = tmp_path / "data/tokens"
    for split in splits:
        found = np.load(folder / f"{split}.labels.npy")
        given = np.stack([found, 1 - found], 1).astype(np.uint8) if labels else found.astype(np.float32) / 3
        np.save(folder / f"{split}.labels.npy", given)
    target = None if labels else {"mean": 0.2, "std": 0.1}
    write_json(
        folder / "tokens.json", {**read_json(folder / "tokens.json"), "task": task, "labels": labels, "target": target}
    )
    recovery = Recovery(TrainingData.open(folder), SETTINGS, HYPER, tmp_path / "checkpoints", splits=splits)
    draft = trim_vocabulary(build("bag_of_embeddings", tmp_path), recovery, **TRIM)
    assert (draft.data.task, draft.data.num_outputs, draft.data.target) == (task, len(labels) or 1, target)
    for before, after in ((recovery.data.train, draft.data.train), (recovery.data.validation, draft.data.validation)):
        assert after.labels.dtype == before.labels.dtype
        np.testing.assert_array_equal(after.labels, before.labels)


def test_a_cut_length_stays_cut(tmp_path):
    """The length that a search found is that of the trimmed tokens, too."""
    recovery = prepare(tmp_path)
    short = replace(recovery, data=recovery.data.truncate(7))
    draft = trim_vocabulary(build("bag_of_embeddings", tmp_path), short, **TRIM)
    assert draft.data.max_length == 7 == max(draft.data.train.window_lengths)
