import pytest
import torch

from tests.tiny_model import outspoken, tiny_transformer
from textmill.models.packing import UnpackableEncoder, packed_states, set_training_attention
from textmill.models.transformer import Transformer

LENGTHS = [9, 1, 4, 12, 12]
DECODERS = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "llama": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 64,
    },
}  # fmt: skip


def build(kind):
    if kind in DECODERS:
        config = {"model_type": kind, "vocab_size": 50, "bos_token_id": 2, "eos_token_id": 3, **DECODERS[kind]}
        torch.manual_seed(0)
        return outspoken(Transformer.from_architecture({"config": config, "num_labels": 3, "pooling": "mean"}))
    return outspoken(tiny_transformer(num_labels=3, model_type=kind, pad_token_id=1))


def batch():
    generator = torch.Generator().manual_seed(0)
    ids = torch.full((len(LENGTHS), max(LENGTHS)), 1)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = torch.randint(5, 50, (length,), generator=generator)
        mask[row, :length] = 1
    return ids, mask


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert", "gpt2", "llama"])
def test_packed_states_equal_padded_ones(kind):
    encoder = build(kind).encoder
    ids, mask = batch()
    with torch.no_grad():
        padded = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        set_training_attention(encoder, True, packing=True)
        packed = packed_states(encoder, ids, mask)
        assert torch.allclose(packed[mask.bool()], padded[mask.bool()], atol=1e-5)
        assert not packed[~mask.bool()].any()
        # and padded batches are computed as before
        again = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        assert torch.allclose(again[mask.bool()], padded[mask.bool()], atol=1e-6)


def test_documents_of_a_row_do_not_see_each_other():
    encoder = build("bert").encoder
    set_training_attention(encoder, True, packing=True)
    ids, mask = batch()
    changed = ids.clone()
    changed[0, :9] = 7
    with torch.no_grad():
        before, after = packed_states(encoder, ids, mask), packed_states(encoder, changed, mask)
    assert torch.equal(before[1:], after[1:])
    assert not torch.allclose(before[0], after[0])


def test_gradients_equal_those_of_padding():
    model = build("bert")
    ids, mask = batch()

    def gradients(states):
        model.zero_grad()
        states[mask.bool()].square().sum().backward()
        return [parameter.grad.clone() for parameter in model.encoder.parameters()]

    padded = gradients(model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state)
    set_training_attention(model.encoder, True, packing=True)
    packed = gradients(packed_states(model.encoder, ids, mask))
    for one, other in zip(padded, packed, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_the_models_logits_are_those_of_padding(pooling):
    model = build("bert")
    model.pooling = pooling
    ids, mask = batch()
    with torch.no_grad():
        padded = model(ids, mask)
        model.set_training(True, packing=True)
        packed = model(ids, mask)
        model.set_training(False)
        assert torch.equal(model(ids, mask), padded)
    assert torch.allclose(packed, padded, atol=1e-5)
    assert model.encoder.config._attn_implementation == "sdpa"


def test_bf16_packing_is_as_close_as_bf16_padding():
    model = build("bert")
    ids, mask = batch()
    with torch.no_grad():
        exact = model(ids, mask)
        with torch.autocast("cpu", torch.bfloat16):
            padded = model(ids, mask).float()
            model.set_training(True, packing=True)
            packed = model(ids, mask).float()
    assert (packed - exact).abs().max() < 2 * (padded - exact).abs().max() + 1e-3


def test_an_encoder_that_sees_only_neighbours_is_refused():
    config = {
        "model_type": "modernbert", "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 1,
        "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3,
    }  # fmt: skip
    model = Transformer.from_architecture({"config": config, "num_labels": 2, "pooling": "mean"})
    with pytest.raises(UnpackableEncoder, match=r"training.packing is true, but ModernBertModel limits"):
        model.set_training(True, packing=True)


def test_an_encoder_with_its_own_attention_is_refused():
    config = {
        "model_type": "deberta-v2", "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64,
    }  # fmt: skip
    model = Transformer.from_architecture({"config": config, "num_labels": 2, "pooling": "mean"})
    with pytest.raises(UnpackableEncoder, match="attention of its own"):
        model.set_training(True, packing=True)
