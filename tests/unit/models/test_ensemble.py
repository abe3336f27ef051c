import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tests.tiny_model import HYPER, SETTINGS, VOCABULARY, outspoken, tiny_transformer, write_tokens
from textmill.compression import prune
from textmill.compression.distill import distill, unfit
from textmill.compression.export import export_onnx
from textmill.compression.recovery import Recovery
from textmill.data.tokens import TokenArrays
from textmill.models.depth import keep_layers
from textmill.models.ensemble import Ensemble
from textmill.models.folder import load_model, save_model
from textmill.training.dataset import TrainingData
from textmill.training.fit import predict_logits

ONE_LAYER = {"family": "transformer", "num_layers": 1}


def unlike_members(num_members=3, num_layers=2):
    """Transformers of the same shape and unlike weights."""
    members = [outspoken(tiny_transformer(num_layers=num_layers)) for _ in range(num_members)]
    generator = torch.Generator().manual_seed(5)
    for member in members[1:]:
        with torch.no_grad():
            for parameter in member.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return members


@pytest.fixture
def batch():
    ids = torch.randint(1, VOCABULARY, (5, 9), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(9) < torch.tensor([9, 7, 5, 3, 1])[:, None]).long()
    return ids, mask


def test_it_answers_the_mean_logits(batch):
    members = unlike_members()
    answers = torch.stack([member(*batch) for member in members])
    assert answers.std(dim=0).min() > 0.01
    torch.testing.assert_close(Ensemble(members)(*batch), answers.mean(dim=0))


def test_its_softmax_is_the_geometric_mean_of_the_probabilities(batch):
    members = unlike_members()
    geometric = torch.stack([member(*batch).softmax(-1) for member in members]).log().mean(dim=0).exp()
    expected = geometric / geometric.sum(dim=-1, keepdim=True)
    torch.testing.assert_close(Ensemble(members)(*batch).softmax(-1), expected)


def test_a_saved_ensemble_answers_the_same(tmp_path, batch):
    ensemble = Ensemble(unlike_members())
    save_model(tmp_path / "torch", ensemble, {"labels": ["a", "b"]})
    loaded, description = load_model(tmp_path / "torch")
    assert description["family"] == "transformer"
    assert len(description["architecture"]["ensemble"]) == 3
    assert torch.equal(loaded(*batch), ensemble(*batch))
    assert not loaded.training


def test_members_of_two_families_do_not_mix():
    class Other(nn.Module):
        family = "other"

    with pytest.raises(AssertionError):
        Ensemble([tiny_transformer(), Other()])


def test_it_trains_like_one_model(batch):
    """What the training loop asks of a model reaches every member."""
    members = unlike_members(2)
    ensemble = Ensemble(members)
    ensemble.set_dropout(0.4)
    assert all(member.dropout.p == 0.4 for member in members)
    assert ensemble.head.out_features == 2
    groups = ensemble.depth_groups()
    own = members[0].depth_groups()
    assert [len(group) for group in groups] == [2 * len(group) for group in own]
    listed = [id(parameter) for group in groups for parameter in group]
    assert len(listed) == len(set(listed)) == len(list(ensemble.parameters()))


def test_it_exports_to_one_graph(tmp_path):
    tokens = TokenArrays.open(write_tokens(tmp_path / "tokens"), "validation")
    ensemble = Ensemble(unlike_members(2, num_layers=1))
    assert export_onnx(ensemble, tmp_path / "model.onnx", tokens, pad_id=0) < 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    ids = np.array([[2, 11, 30], [2, 10, 0]])
    (logits,) = session.run(["logits"], {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)})
    expected = ensemble(torch.as_tensor(ids), torch.as_tensor(ids > 0).long()).detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_it_has_a_student_and_is_not_pruned():
    ensemble = Ensemble(unlike_members())
    assert (prune.unfit(ensemble, {}), unfit(ensemble, {"student": ONE_LAYER})) == ("prune", None)


def test_one_student_learns_from_all(tmp_path):
    data = TrainingData.open(write_tokens(tmp_path / "tokens"))
    members = unlike_members(2)
    ensemble = Ensemble(members)
    before = {name: tensor.clone() for name, tensor in ensemble.state_dict().items()}
    recovery = Recovery(data, SETTINGS, HYPER, tmp_path / "checkpoints")
    student = distill(
        ensemble, recovery, student=ONE_LAYER, temperature=1.0, soft_weight=1.0, epochs=6, learning_rate=5e-3
    ).model
    assert len(student.layers) == 1
    teacher_NC, untaught_NC, student_NC = (
        predict_logits(model, data.train, 0, 2, SETTINGS).softmax(-1)
        for model in (ensemble, keep_layers(members[0], [1]), student)
    )
    assert (student_NC - teacher_NC).abs().mean() < 0.5 * (untaught_NC - teacher_NC).abs().mean()
    for name, tensor in ensemble.state_dict().items():
        assert torch.equal(tensor, before[name])
