"""Low-rank embeddings: the best of their rank, saved, exported and quantized like any other."""

import numpy as np
import pytest
import torch

from tests.tiny_model import BLOCKS, HYPER, SETTINGS, outspoken, tiny_encoder, tiny_model, write_tokens
from textmill.artifacts import size_mb
from textmill.compression.draft import DoesNotApply
from textmill.compression.factorize_embeddings import factorize, factorize_embeddings
from textmill.compression.recipes import Step, run_recipe
from textmill.compression.recovery import Recovery
from textmill.models.folder import load_model, save_model
from textmill.models.low_rank import LowRankEmbedding, token_embeddings
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData

PLAIN = {"epochs": None, "learning_rate": None}
BATCH = torch.randint(5, 50, (6, 11)), (torch.arange(11) < torch.tensor([11, 8, 5, 3, 2, 1])[:, None]).long()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def recovery(tokens, tmp_path):
    return Recovery(TrainingData.open(tokens), SETTINGS, HYPER, tmp_path / "checkpoints")


def test_the_product_is_the_truncated_singular_value_decomposition():
    """Eckart and Young: with equal weights nothing of this rank is nearer."""
    table_VD = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    codes_VR, directions_RD = factorize(table_VD, torch.ones(40, dtype=torch.float64), 5)
    left, values, right = torch.linalg.svd(table_VD, full_matrices=False)
    expected = left[:, :5] @ torch.diag(values[:5]) @ right[:5]
    torch.testing.assert_close(codes_VR @ directions_RD, expected, atol=1e-5, rtol=1e-5)


def test_frequent_tokens_are_kept_best():
    """The weighted optimum, against the decomposition of the table whose rows are scaled by the roots."""
    generator = torch.Generator().manual_seed(0)
    table_VD, weight_V = torch.randn(40, 12, generator=generator), torch.rand(40, generator=generator).double() ** 4
    codes_VR, directions_RD = factorize(table_VD, weight_V, 5)
    root_V1 = weight_V.sqrt()[:, None]
    left, values, right = torch.linalg.svd(root_V1 * table_VD.double(), full_matrices=False)
    expected = (left[:, :5] * values[:5]) @ right[:5] / root_V1
    torch.testing.assert_close((codes_VR @ directions_RD).double(), expected, atol=1e-5, rtol=1e-4)


def test_a_table_of_that_rank_is_not_changed_at_all():
    generator = torch.Generator().manual_seed(0)
    table_VD = torch.randn(40, 5, generator=generator) @ torch.randn(5, 12, generator=generator)
    codes_VR, directions_RD = factorize(table_VD, torch.ones(40, dtype=torch.float64), 5)
    torch.testing.assert_close(codes_VR @ directions_RD, table_VD, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_family_answers_nearly_the_same_and_is_saved(name, tokens, recovery, tmp_path):
    full = outspoken(tiny_model(name, tokens))
    expected = full(*BATCH)
    codes_VR, directions_RD = torch.randn(50, 8), torch.randn(8, token_embeddings(full).embedding_dim)
    with torch.no_grad():
        token_embeddings(full).weight.copy_(codes_VR @ directions_RD)
    expected = full(*BATCH)
    draft = factorize_embeddings(full, recovery, rank=8, **PLAIN)
    torch.testing.assert_close(draft.model(*BATCH), expected, atol=1e-3, rtol=1e-3)
    assert draft.notes["lost_share"] == 0
    save_model(tmp_path / "torch", draft.model, {})
    again, _ = load_model(tmp_path / "torch")
    assert isinstance(token_embeddings(again), LowRankEmbedding)
    assert again.architecture() == draft.model.architecture()
    assert torch.equal(again(*BATCH), draft.model(*BATCH))
    listed = [id(parameter) for group in again.depth_groups() for parameter in group]
    assert sorted(listed) == sorted(id(parameter) for parameter in again.parameters())


@pytest.mark.parametrize("model_type", ["roberta", "albert", "electra", "deberta-v2", "modernbert", "gpt2", "llama"])
def test_any_encoder_takes_them(model_type, recovery, tmp_path):
    draft = factorize_embeddings(tiny_encoder(model_type), recovery, rank=6, **PLAIN)
    save_model(tmp_path / "torch", draft.model, {})
    again, _ = load_model(tmp_path / "torch")
    assert torch.equal(again(*BATCH), draft.model.eval()(*BATCH))
    assert again.architecture()["embedding_rank"] == 6


@pytest.mark.parametrize("name", [pytest.param("transformer", marks=pytest.mark.slow), "bag_of_embeddings"])
def test_its_bundle_is_smaller_still_in_int8(name, tokens, recovery, tmp_path):
    save_model(tmp_path / "trained/torch", outspoken(tiny_model(name, tokens)), {})
    steps = {"full": [], "low": [Step("factorize_embeddings", {"rank": 4, **PLAIN})]}
    steps["int8"] = [*steps["low"], Step("quantize", {"per_channel": True})]
    for target, chosen in steps.items():
        run_recipe(chosen, tmp_path / "trained", tmp_path / target, recovery, {"key": target})
    full, low, int8 = (tmp_path / target / "bundle" for target in steps)
    if name == "bag_of_embeddings":  # of others this tiny, the embeddings are the least part
        assert size_mb(low / "model.onnx") < size_mb(full / "model.onnx")
    texts = ["w10 w12", "w11 w13 w14 w15"]
    model, _ = load_model(tmp_path / "low/torch")
    ids_WT = torch.tensor([[2, 10, 12]])
    expected = model(ids_WT, torch.ones_like(ids_WT)).detach().numpy()
    np.testing.assert_allclose(Classifier.load(low).predict_logits(texts[:1]), expected, atol=1e-4)
    found = Classifier.load(int8).predict_logits(texts, batch_size=1)
    np.testing.assert_allclose(found, Classifier.load(low).predict_logits(texts, batch_size=1), atol=0.5)


def test_it_recovers_by_training(tokens, recovery):
    draft = factorize_embeddings(
        tiny_model("bag_of_embeddings", tokens), recovery, rank=4, epochs=3, learning_rate=1e-2
    )
    untrained = factorize_embeddings(tiny_model("bag_of_embeddings", tokens), recovery, rank=4, **PLAIN)
    assert not torch.equal(draft.model.embeddings.table.weight, untrained.model.embeddings.table.weight)
    assert (recovery.checkpoints / "factorize_embeddings").exists()


def test_a_rank_that_saves_nothing_is_refused(tokens, recovery):
    with pytest.raises(DoesNotApply, match=r"of rank 24, but those of 50 tokens are 24 wide.*Set rank to 16 or less"):
        factorize_embeddings(tiny_model("lstm", tokens), recovery, rank=24, **PLAIN)
    factorize_embeddings(model := tiny_model("lstm", tokens), recovery, rank=16, **PLAIN)
    with pytest.raises(DoesNotApply, match="comes twice"):
        factorize_embeddings(model, recovery, rank=4, **PLAIN)


@pytest.mark.parametrize("name", BLOCKS)
def test_their_width_can_be_pruned(name, tokens, recovery, tmp_path):
    model = factorize_embeddings(tiny_model(name, tokens), recovery, rank=8, **PLAIN).model.eval()
    model.keep("width", [range(12)])
    assert token_embeddings(model).embedding_dim == 12
    save_model(tmp_path / "torch", model, {})
    assert torch.equal(load_model(tmp_path / "torch")[0](*BATCH), model(*BATCH))
