"""model.transformer.config: what the tokens decide is filled in, and every mistake is told."""

import json

import pytest

from tests.tiny_model import DECODERS, ENCODERS, VOCABULARY, write_tokens
from textmill.models.encoder_config import InvalidConfig, is_causal, new_config
from textmill.models.transformer import Transformer
from textmill.models.weight_files import UnusableWeights


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), 8, 8)


def build(tokens, config, pooling="mean"):
    settings = {"pooling": pooling, "config": config}
    return Transformer.build(settings, tokens=tokens, weights=tokens, pretrained=None, num_labels=2)


def test_vocabulary_and_special_tokens_are_filled_in(tokens):
    bert = new_config({"model_type": "bert", **ENCODERS["bert"]}, tokens)
    assert (bert.vocab_size, bert.pad_token_id, bert.bos_token_id, bert.eos_token_id) == (VOCABULARY, 0, 2, 3)
    modern = new_config({"model_type": "modernbert", **ENCODERS["modernbert"]}, tokens)
    assert (modern.cls_token_id, modern.sep_token_id) == (2, 3)
    gpt2 = new_config({"model_type": "gpt2", **DECODERS["gpt2"]}, tokens)
    assert (gpt2.vocab_size, gpt2.eos_token_id, gpt2.use_cache) == (VOCABULARY, 3, False)


@pytest.mark.parametrize("model_type", [*ENCODERS, *DECODERS])
def test_any_architecture_is_built_from_scratch(tokens, model_type):
    config = {"model_type": model_type, **{**ENCODERS, **DECODERS}[model_type]}
    model = build(tokens, config, "last" if model_type in DECODERS else "mean")
    assert len(model.encoder.get_input_embeddings().weight) == VOCABULARY
    assert is_causal(model.encoder.config) == (model_type in DECODERS)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, r"model_type is None, which is no text model of transformers\. Allowed: bert, .* more"),
        ({"model_type": "modernbret"}, r"model_type is 'modernbret', .* Allowed: modernbert"),
        ({"model_type": "vit"}, "model_type is 'vit', which is no text model"),
        ({"model_type": "gpt2", "n_layers": 2}, r"gpt2 knows no 'n_layers'\. Allowed: .*n_layer,"),
        ({"model_type": "gpt2", "vocab_size": 9}, "vocab_size is filled in from the tokenizer"),
        ({"model_type": "bert", "hidden_size": "wide"}, "hidden_size"),
        ({"model_type": "bert", "hidden_size": 30, "num_attention_heads": 4}, "makes no model of type bert: .*30"),
        (
            {"model_type": "qwen2", **DECODERS["llama"], "num_key_value_heads": 32},
            "makes a model of type qwen2 that cannot compute",
        ),
    ],
)
def test_mistakes_are_told(tokens, config, message):
    with pytest.raises(InvalidConfig, match=message):
        build(tokens, config)


def test_fewer_positions_than_tokens_are_told(tokens, tmp_path):
    long = tmp_path / "tokens"
    long.mkdir()
    meta = json.loads((tokens / "tokens.json").read_text())
    (long / "tokens.json").write_text(json.dumps({**meta, "max_length": 2000}))
    (long / "tokenizer.json").write_bytes((tokens / "tokenizer.json").read_bytes())
    shape = {"n_embd": 16, "n_layer": 1, "n_head": 2}
    message = r"max_length is 2000, but model\.transformer\.config has 1024 positions \(n_positions\)"
    with pytest.raises(UnusableWeights, match=message):
        build(long, {"model_type": "gpt2", **shape}, "last")
    build(long, {"model_type": "gpt2", **shape, "n_positions": 2000}, "last")
