from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.tiny_model import HYPER, SETTINGS, VOCABULARY, outspoken, tiny_transformer, write_tokens
from textmill.models.bag_of_embeddings import BagOfEmbeddings
from textmill.models.transformer import Transformer
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit
from textmill.training.lora import NoAttention, attention_matrices, low_rank_updates
from textmill.training.settings import LoraSettings

LORA = LoraSettings(rank=2, alpha=8.0, dropout=0.0)
CONFIGS = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 1, "eos_token_id": 1},
    "modernbert": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 1,
        "cls_token_id": 1,
        "sep_token_id": 1,
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


def build(model_type):
    torch.manual_seed(0)
    config = {"model_type": model_type, "vocab_size": VOCABULARY, **CONFIGS[model_type]}
    pooling = "last" if model_type == "gpt2" else "mean"
    return Transformer.from_architecture({"config": config, "num_labels": 2, "pooling": pooling})


@pytest.mark.parametrize("model_type", CONFIGS)
def test_merged_equals_unmerged_and_only_attention_has_changed(model_type):
    model = outspoken(build(model_type))
    names, before = list(model.state_dict()), {k: v.clone() for k, v in model.state_dict().items()}
    matrices = attention_matrices(model)
    ids = torch.randint(2, VOCABULARY, (4, 9))
    mask = torch.ones_like(ids)
    with low_rank_updates(model, LORA):
        updated = {name for name, p in model.named_parameters() if p.requires_grad}
        assert all("lora_" in name or name.startswith("head.") for name in updated)
        assert len([name for name in updated if "lora_A" in name]) == len(matrices)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    nn.init.normal_(parameter, std=0.3)
            unmerged = model(ids, mask)
    assert list(model.state_dict()) == names, "what is saved is a plain model"
    assert type(model.encoder).__name__.lower().startswith(model_type[:4])
    with torch.no_grad():
        torch.testing.assert_close(model(ids, mask), unmerged, atol=1e-5, rtol=1e-4)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"encoder.{name}.weight" for name in matrices}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_training_moves_attention_and_head_and_learns(data, tmp_path):
    model = tiny_transformer()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    settings = replace(SETTINGS, epochs=8, patience=8, lora=LoraSettings(rank=4, alpha=16.0, dropout=0.0))
    fitted = fit(model, data, settings, replace(HYPER, learning_rate=2e-2), checkpoints=tmp_path)
    assert fitted.score > 0.8
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"head.weight", "head.bias", *(f"encoder.{name}.weight" for name in attention_matrices(model))}
    model.architecture()


def test_what_follows_one_epoch_is_what_was_scored(data, tmp_path):
    from textmill.training.fit import predict_logits
    from textmill.training.objective import score_logits

    model = tiny_transformer()
    fitted = fit(model, data, replace(SETTINGS, lora=LORA), HYPER, checkpoints=tmp_path)
    logits = predict_logits(model, data.validation, 0, 2, SETTINGS)
    assert score_logits("single_label", logits, data.validation.labels) == pytest.approx(fitted.score)


def test_a_family_without_attention_is_told(data):
    shape = {"vocabulary_size": VOCABULARY, "embedding_size": 8, "num_labels": 2}
    model = BagOfEmbeddings.from_architecture(shape)
    with pytest.raises(NoAttention, match=r"training\.lora .* bag_of_embeddings has none .*lora: null"):
        fit(model, data, replace(SETTINGS, lora=LORA), HYPER)
