"""Embeddings that are copied from the files of pretrained weights, and nothing else of them."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM

from tests.tiny_model import META, VOCABULARY, tiny_encoder, tiny_tokenizer, tiny_transformer, write_tokens
from textmill.models.embeddings import build_embeddings, read_embeddings
from textmill.models.weight_files import UnusableWeights

PRETRAINED = {"embeddings": "pretrained", "embedding_size": 99}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), 8, 8)


def build(tokens, weights):
    return build_embeddings(PRETRAINED, tokens=tokens, weights=weights, pretrained=None).weight.detach()


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "modernbert", "distilbert", "llama", "albert"])
def test_the_tensor_is_found_in_any_architecture(tmp_path, model_type):
    encoder = tiny_encoder(model_type).encoder
    encoder.save_pretrained(tmp_path)
    assert torch.equal(read_embeddings(tmp_path), encoder.get_input_embeddings().weight)


def test_a_checkpoint_with_a_head_or_in_parts_is_read_too(tmp_path):
    config = BertConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    model = BertForMaskedLM(config)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert torch.equal(read_embeddings(tmp_path), model.get_input_embeddings().weight)


def test_spare_rows_are_left_out(tokens, tmp_path):
    encoder = tiny_transformer(vocab_size=64).encoder
    encoder.save_pretrained(tmp_path)
    assert torch.equal(build(tokens, tmp_path), encoder.get_input_embeddings().weight[:VOCABULARY])


def test_they_are_transferred_to_a_trained_tokenizer(tokens, tmp_path):
    """The same words under other numbers."""
    encoder = tiny_transformer().encoder
    encoder.save_pretrained(tmp_path / "weights")
    tiny_tokenizer().save(str(tmp_path / "weights/tokenizer.json"))
    trained = tmp_path / "tokens"
    trained.mkdir()
    (trained / "tokens.json").write_text(json.dumps({**META, "tokenizer": {"kind": "trained"}}))
    written = json.loads(tiny_tokenizer().to_str())
    written["model"]["vocab"] |= {"w20": 30, "w30": 20}
    Tokenizer.from_str(json.dumps(written)).save(str(trained / "tokenizer.json"))
    expected = encoder.get_input_embeddings().weight.detach().clone()
    expected[[20, 30]] = expected[[30, 20]]
    assert torch.equal(build(trained, tmp_path / "weights"), expected)


def spoil(folder, change):
    tiny_transformer().encoder.save_pretrained(folder)
    path = folder / "model.safetensors"
    path.unlink() if change is None else change(path)


def without_embeddings(path):
    tensors = load_file(path)
    del tensors["embeddings.word_embeddings.weight"]
    save_file(tensors, path)


def narrower(path):
    tensors = load_file(path)
    tensors["embeddings.word_embeddings.weight"] = torch.zeros(VOCABULARY, 16)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "has no model.safetensors"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "is damaged or cut short"),
        (without_embeddings, r"no tensor is called embeddings\.word_embeddings\.weight"),
        (narrower, r"has the shape \[50, 16\], and config.json asks for \[50, 32\]"),
    ],
)
def test_unusable_weights_are_told(tokens, tmp_path, change, message):
    spoil(tmp_path, change)
    with pytest.raises(UnusableWeights, match=message):
        build(tokens, tmp_path)


def test_too_few_embeddings_for_the_tokenizer_are_told(tokens, tmp_path):
    tiny_transformer(vocab_size=40).encoder.save_pretrained(tmp_path)
    with pytest.raises(UnusableWeights, match="embeddings for 40 tokens, but its tokenizer has 50"):
        build(tokens, tmp_path)
