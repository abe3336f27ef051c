"""Blocks, dropouts and positions are found in any architecture."""

import pytest
import torch
from torch import nn

from tests.tiny_model import DECODERS, ENCODERS, outspoken, tiny_encoder
from textmill.models.encoder_parts import find_blocks
from textmill.models.folder import load_model, save_model

ALL = [*ENCODERS, *DECODERS]
# Where the blocks are, as the architectures' own code has it; ALBERT computes one block again and again.
BLOCKS = {
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "electra": "encoder.layer",
    "albert": "encoder.albert_layer_groups",
    "deberta-v2": "encoder.layer",
    "modernbert": "layers",
    "distilbert": "transformer.layer",
    "gpt2": "h",
    "llama": "layers",
    "qwen2": "layers",
}


@pytest.fixture(params=ALL)
def model(request):
    return outspoken(tiny_encoder(request.param))


@pytest.fixture(scope="module")
def batch():
    ids_WT = torch.randint(5, 50, (5, 9), generator=torch.Generator().manual_seed(1))
    return ids_WT, (torch.arange(9) < torch.tensor([9, 7, 5, 3, 1])[:, None]).long()


def model_type(model):
    return model.encoder.config.model_type


def test_padding_changes_nothing(model, batch):
    ids, mask = batch
    alone = torch.cat([model(ids[i : i + 1, :n], mask[i : i + 1, :n]) for i, n in enumerate(mask.sum(1))])
    torch.testing.assert_close(model(ids, mask), alone, atol=1e-5, rtol=1e-5)


def test_a_saved_model_answers_the_same(model, batch, tmp_path):
    model.set_dropout(0.2)
    save_model(tmp_path / "torch", model, {})
    loaded, _ = load_model(tmp_path / "torch")
    torch.testing.assert_close(loaded(*batch), model(*batch))
    loaded.train().set_dropout(0.4)
    assert rates(loaded)["hidden"] == {0.4} or model_type(model) in ("llama", "qwen2"), "they are found again"


def test_blocks_are_found(model):
    assert find_blocks(model.encoder) == list(model.encoder.get_submodule(BLOCKS[model_type(model)]))


def test_depth_goes_from_the_embeddings_over_the_blocks_to_the_head(model):
    groups = model.depth_groups()
    listed = [id(parameter) for group in groups for parameter in group]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters())
    embeddings = {id(p) for m in model.encoder.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    assert embeddings <= {id(parameter) for parameter in groups[0]}
    blocks = find_blocks(model.encoder)
    assert [[id(p) for p in group] for group in groups[1 : 1 + len(blocks)]] == [
        [id(p) for p in block.parameters()] for block in blocks
    ]
    assert groups[-1] == list(model.head.parameters())
    assert len(groups) - len(blocks) == (3 if model_type(model) in ("gpt2", "llama", "qwen2", "modernbert") else 2)


def rates(model):
    """The rates in use, of attention probabilities and of hidden states."""
    found = {"attention": set(), "hidden": set()}
    for name, module in model.encoder.named_modules():
        of_attention = name.endswith(
            ("attention.self.dropout", "attention.dropout", "attention_dropout", "attn_dropout")
        )
        if isinstance(module, nn.Dropout):
            found["attention" if of_attention else "hidden"].add(module.p)
        if isinstance(getattr(module, "attention_dropout", None), float):
            found["attention"].add(module.attention_dropout)
    return found


def test_attention_probabilities_are_never_dropped(model):
    for rate in (0.3, 0.1):
        model.set_dropout(rate)
        found = rates(model)
        assert found["attention"] == {0.0}
        assert found["hidden"] <= {rate}
        assert model.dropout.p == rate
    assert found["hidden"] or model_type(model) in ("llama", "qwen2"), "these have no dropout of hidden states"


def test_the_last_token_is_the_last_that_is_no_padding(batch):
    ids, mask = batch
    model = outspoken(tiny_encoder("gpt2"))
    states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    expected = torch.stack([row[n - 1] for row, n in zip(states, mask.sum(1), strict=True)])
    torch.testing.assert_close(model(ids, mask), model.head(expected))
