"""Weights that do not hold what they say are refused with a reason; the files are real ones, spoilt."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, T5Config, T5Model

from tests.tiny_model import VOCABULARY, tiny_encoder, tiny_transformer, write_tokens
from textmill.models.encoder_loading import load_encoder
from textmill.models.transformer import Transformer, UnfitPooling
from textmill.models.weight_files import UnusableWeights, check_whole


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "weights"
    tiny_transformer().encoder.save_pretrained(folder)
    return folder


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def assert_refused(folder, message):
    with pytest.raises(UnusableWeights, match=message) as caught:
        load_encoder(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_config_is_told(weights):
    (weights / "config.json").unlink()
    assert_refused(weights, "has no config.json")


@pytest.mark.parametrize(
    "content", ["{not json", "[]", '{"hidden_size": 32}', '{"model_type": "bert", "hidden_size": "x"}']
)
def test_a_broken_config_is_told(weights, content):
    (weights / "config.json").write_text(content)
    assert_refused(weights, r"config\.json cannot be used")


def test_a_model_of_its_own_code_is_refused(weights):
    change_config(weights, model_type="sparkling", auto_map={"AutoModel": "modeling.Sparkling"})
    (weights / "modeling.py").write_text("raise SystemExit('it ran')")
    assert_refused(weights, "a model of its own code")


def test_an_encoder_with_a_decoder_is_refused(tmp_path):
    T5Model(T5Config(vocab_size=50, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(tmp_path)
    assert_refused(tmp_path, "model_type t5, an encoder with a decoder")


def test_missing_weights_are_told(weights):
    (weights / "model.safetensors").unlink()
    assert_refused(weights, r"has no model\.safetensors")


def test_a_pickle_is_not_read(weights):
    (weights / "model.safetensors").unlink()
    torch.save({}, weights / "pytorch_model.bin")
    assert_refused(weights, r"only as a pickle \(pytorch_model\.bin\)")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa51172d142c89d9012cce15ae4d6c\nsize 90868376\n"


@pytest.mark.parametrize("spoil", [lambda all: all[:-100], lambda all: all + b"x", lambda _: b"", lambda _: POINTER])
def test_damaged_weights_are_told_without_a_tensor_being_read(weights, spoil):
    path = weights / "model.safetensors"
    path.write_bytes(spoil(path.read_bytes()))
    assert_refused(weights, r"model\.safetensors is damaged or cut short: .*\. Fetch the weights anew")
    with pytest.raises(UnusableWeights, match="damaged"):
        check_whole(weights)


def test_a_missing_part_of_several_is_told(tmp_path):
    tiny_transformer().encoder.save_pretrained(tmp_path, max_shard_size="20KB")
    parts = sorted(tmp_path.glob("*.safetensors"))
    assert len(parts) > 2
    check_whole(tmp_path)
    load_encoder(tmp_path)
    parts[1].unlink()
    assert_refused(
        tmp_path, rf"index\.json names {parts[1].name}, which is not there \(1 of {len(parts)} files missing"
    )


def test_a_folder_without_weights_is_whole(weights):
    """Its tokenizer may be all that is used."""
    (weights / "model.safetensors").unlink()
    check_whole(weights)


def test_missing_tensors_are_not_made_up(weights):
    change_tensors(weights, lambda tensors: tensors.pop("encoder.layer.1.output.dense.weight"))
    assert_refused(weights, r"lacks 1 of \d+ tensors .* such as encoder\.layer\.1\.output\.dense\.weight")


def test_a_config_with_more_layers_than_the_weights_is_refused(weights):
    change_config(weights, num_hidden_layers=3)
    assert_refused(weights, r"lacks 16 of \d+ tensors")


def test_weights_of_another_architecture_are_refused(weights):
    change_config(weights, model_type="distilbert", dim=32, hidden_dim=64, n_layers=2, n_heads=4)
    assert_refused(weights, "distilbert")


def test_tensors_of_another_shape_are_refused(weights):
    change_config(weights, vocab_size=99)
    assert_refused(weights, r"word_embeddings\.weight has the shape \[50, 32\], and config.json asks for \[99, 32\]")


@pytest.mark.parametrize("kind", ["masked", "causal"])
def test_heads_of_language_models_are_left_out(tmp_path, kind):
    if kind == "masked":
        config = BertConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
        model = BertForMaskedLM(config)
    else:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=1, n_head=2, n_positions=16))
    model.save_pretrained(tmp_path)
    loaded = load_encoder(tmp_path).state_dict()
    given = model.base_model.state_dict()
    assert loaded.keys() == {name for name in given if "pooler" not in name}
    assert all(torch.equal(tensor, given[name]) for name, tensor in loaded.items())


def build(folder, tmp_path, **changes):
    tokens = write_tokens(tmp_path / "tokens", 8, 8)
    meta = json.loads((tokens / "tokens.json").read_text())
    (tokens / "tokens.json").write_text(json.dumps({**meta, **changes}))
    settings = {"pooling": "mean", "config": None}
    return Transformer.build(settings, tokens=tokens, weights=folder, pretrained=None, num_labels=2)


@pytest.mark.parametrize(("model_type", "positions"), [("bert", 64), ("roberta", 63), ("gpt2", 64), ("llama", 64)])
def test_more_tokens_than_positions_are_refused(tmp_path, model_type, positions):
    """RoBERTa's first position belongs to the padding, which is 0 here."""
    tiny_encoder(model_type).encoder.save_pretrained(tmp_path / "weights")
    build(tmp_path / "weights", tmp_path, max_length=positions)
    key = "n_positions" if model_type == "gpt2" else "max_position_embeddings"
    with pytest.raises(UnusableWeights, match=rf"max_length is 65, but .* has {positions} positions \({key}\)"):
        build(tmp_path / "weights", tmp_path, max_length=65)


def test_more_tokens_than_embeddings_are_refused(weights, tmp_path):
    with pytest.raises(UnusableWeights, match="embeddings for 50 tokens, but its tokenizer has 51"):
        build(weights, tmp_path, vocabulary_size=51)


def test_a_decoder_is_not_pooled_by_its_first_token():
    encoder = tiny_encoder("gpt2").encoder
    with pytest.raises(UnfitPooling, match="GPT2Model, a decoder"):
        Transformer(encoder, 2, "cls")
    Transformer(tiny_transformer().encoder, 2, "cls")
