"""What is cut is what matters least, for good, to the share or target that was asked for."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from tests.tiny_model import (
    HYPER,
    SETTINGS,
    outspoken,
    tiny_encoder,
    tiny_model,
    tiny_transformer,
    write_tokens,
)
from textmill.compression.draft import DoesNotApply
from textmill.compression.export import export_onnx
from textmill.compression.prune import prune, unfit
from textmill.compression.pruning.target import UnreachableTarget
from textmill.compression.recovery import Recovery
from textmill.models.bert_layers import num_heads
from textmill.models.depth import num_layers
from textmill.models.ensemble import Ensemble
from textmill.models.folder import load_model, save_model
from textmill.models.size import num_parameters
from textmill.training.checkpoints import UnusableCheckpoint
from textmill.training.dataset import TrainingData

QUICK = {"epochs": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), num_train=24, num_validation=8)


@pytest.fixture
def recovery(tokens, tmp_path):
    return Recovery(TrainingData.open(tokens), SETTINGS, HYPER, tmp_path / "checkpoints")


def test_shares_leave_the_network(recovery):
    draft = prune(tiny_transformer(), recovery, heads=0.5, feed_forward=0.75, **QUICK)
    assert sum(num_heads(layer) for layer in draft.model.layers) == 4
    assert sum(layer.intermediate.dense.out_features for layer in draft.model.layers) == 32
    kept = draft.notes["kept"]
    assert (sum(kept["heads"]), sum(kept["feed_forward"])) == (4, 32)
    sizes = draft.notes["parameters"]
    assert sizes == {"before": num_parameters(tiny_transformer()), "after": num_parameters(draft.model)}


@pytest.mark.parametrize(
    ("name", "shares", "importance"),
    [
        ("bert", {"layers": 0.5, "heads": 0.25, "feed_forward": 0.5, "width": 0.25}, "taylor"),
        ("lstm", {"hidden": 0.5, "width": 0.25}, "taylor"),
        ("text_cnn", {"filters": 0.5, "width": 0.25}, "taylor"),
        pytest.param("gpt2", {"layers": 0.5}, "similarity", marks=pytest.mark.slow),
        pytest.param("electra", {"width": 0.5}, "magnitude", marks=pytest.mark.slow),
        pytest.param("modernbert", {"layers": 0.5}, "magnitude", marks=pytest.mark.slow),
        pytest.param("bag_of_embeddings", {"width": 0.5}, "magnitude", marks=pytest.mark.slow),
    ],
)
def test_what_is_saved_and_exported_answers_like_the_smaller_network(
    recovery, tokens, tmp_path, name, shares, importance
):
    known = {"lstm", "text_cnn", "bag_of_embeddings"}
    model = tiny_model(name, tokens) if name in known else tiny_encoder(name)
    draft = prune(outspoken(model), recovery, importance=importance, **shares, **QUICK)
    assert draft.notes["parameters"]["after"] < draft.notes["parameters"]["before"]
    save_model(tmp_path / "torch", draft.model, {})
    loaded, _ = load_model(tmp_path / "torch")
    ids_WT = torch.randint(1, 50, (3, 9), generator=torch.Generator().manual_seed(1))
    mask_WT = (torch.arange(9) < torch.tensor([9, 5, 2])[:, None]).long()
    expected = draft.model(ids_WT, mask_WT)
    assert torch.equal(loaded(ids_WT, mask_WT), expected)
    export_onnx(draft.model, tmp_path / "model.onnx", recovery.data.validation, 0)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    answer = session.run(None, {"input_ids": ids_WT.numpy(), "attention_mask": mask_WT.numpy()})[0]
    np.testing.assert_allclose(answer, expected.detach().numpy(), atol=1e-4)


def test_shares_are_reached_in_rounds(recovery):
    model = tiny_transformer(num_layers=6)
    draft = prune(model, recovery, layers=0.5, heads=0.5, feed_forward=0.5, rounds=4, importance="magnitude", **QUICK)
    assert num_layers(draft.model) == 3
    assert sum(draft.notes["kept"]["heads"]) == 3 * 4 // 2
    assert sum(draft.notes["kept"]["feed_forward"]) == 3 * 64 // 2
    assert [path.name for path in recovery.checkpoints.iterdir()] == ["round-4"], "the rest is not needed any more"


def test_each_round_trains_for_its_epochs(recovery):
    recovery = replace(recovery, settings=replace(SETTINGS, epochs=99))
    model = prune(tiny_transformer(), recovery, heads=0.5, feed_forward=0.5, epochs=2, learning_rate=1e-3).model
    state = torch.load(recovery.checkpoints / "round-1/last.ckpt", weights_only=True)
    assert state["epoch"] == 1, "two epochs, as the step says"
    assert not model.training


def test_the_parents_answers_are_kept_as_a_teachers_are(recovery):
    prune(tiny_transformer(), recovery, heads=0.5, soft_weight=0.5, temperature=2.0, **QUICK)
    assert len(list((recovery.checkpoints / "answers").glob("*.npy"))) == 1


class Killed(BaseException):
    pass


def killed_in(monkeypatch, round_number):
    """Lets training end with the process in that round, after its first epoch."""
    from textmill.compression import recovery

    real = recovery.fit

    def fit(model, data, settings, hyper, **named):
        if named["checkpoints"].name == f"round-{round_number}":
            from pytorch_lightning.callbacks import Callback

            class Kill(Callback):
                def on_train_epoch_start(self, trainer, _):
                    if trainer.current_epoch == 1:
                        raise Killed

            named["callbacks"] = [*named["callbacks"], Kill()]
        return real(model, data, settings, hyper, **named)

    monkeypatch.setattr(recovery, "fit", fit)


def test_a_killed_recipe_goes_on_in_its_round(recovery, tmp_path, monkeypatch):
    told = {"heads": 0.5, "feed_forward": 0.5, "rounds": 3, "epochs": 2, "learning_rate": 3e-3}
    expected = prune(tiny_transformer(), recovery, **told)
    again = replace(recovery, checkpoints=tmp_path / "again")
    with monkeypatch.context() as patched:
        killed_in(patched, 2)
        with pytest.raises(Killed):
            prune(tiny_transformer(), again, **told)
    assert (again.checkpoints / "round-2/last.ckpt").exists()
    from textmill.compression import prune as module

    with monkeypatch.context() as patched:
        measured = []
        real = module.measure
        patched.setattr(module, "measure", lambda *given: measured.append(1) or real(*given))
        found = prune(tiny_transformer(), again, **told)
    assert len(measured) == 1, "only the third round's importance was still to be measured"
    assert found.notes == expected.notes
    for name, tensor in expected.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], tensor), name
    with pytest.raises(UnusableCheckpoint, match="other settings"):
        prune(tiny_transformer(), again, **{**told, "heads": 0.25})


@pytest.mark.parametrize("target", [0.9, 0.75])
def test_a_target_of_parameters_is_reached_and_no_more(recovery, target):
    given = tiny_transformer()
    draft = prune(
        given, recovery, importance="magnitude", heads=0.9, feed_forward=0.9, target={"parameters": target}, **QUICK
    )
    sizes = draft.notes["parameters"]
    assert target - 0.05 < sizes["after"] / sizes["before"] <= target
    assert draft.notes["shares"]["heads"] == draft.notes["shares"]["feed_forward"] < 0.9


@pytest.mark.slow
def test_a_target_of_latency_is_measured(recovery):
    model = tiny_transformer(num_layers=6, hidden_size=64, intermediate_size=512)
    draft = prune(
        model, recovery, importance="magnitude", layers=0.8, target={"parameters": None, "latency": 0.7}, **QUICK
    )
    assert num_layers(draft.model) < 6
    assert draft.notes["left_when_found"] <= 0.7


def test_a_target_below_what_is_possible_is_told(recovery):
    smallest = prune(
        tiny_transformer(), replace(recovery, checkpoints=recovery.checkpoints / "smallest"), heads=0.5, **QUICK
    ).notes["parameters"]
    left = smallest["after"] / smallest["before"]
    with pytest.raises(UnreachableTarget, match=rf"parameters: 0\.3, .*heads: 0\.5.* {left:.3f} of the parent's"):
        prune(tiny_transformer(), recovery, heads=0.5, target={"parameters": 0.3}, **QUICK)


def test_the_parents_answers_can_be_learned_from(recovery):
    parent = outspoken(tiny_transformer())
    soft = {"soft_weight": 1.0, "temperature": 2.0, "heads": 0.25, "feed_forward": 0.25}
    taught = prune(parent, recovery, **soft, epochs=4, learning_rate=3e-3).model
    ids_WT = torch.randint(5, 50, (40, 9), generator=torch.Generator().manual_seed(1))
    parents, own = outspoken(tiny_transformer())(ids_WT, ids_WT.clamp(max=1)), taught(ids_WT, ids_WT.clamp(max=1))
    assert torch.corrcoef(torch.stack([parents[:, 0] - parents[:, 1], own[:, 0] - own[:, 1]]))[0, 1] > 0.5


def test_it_says_what_does_not_apply(tokens, recovery):
    asked = {"layers": 0.5, "heads": 0.5, "feed_forward": 0.0, "hidden": 0.5}
    assert unfit(tiny_transformer(), asked) == "prune of hidden"
    assert unfit(tiny_encoder("gpt2"), asked) == "prune of heads and hidden"
    assert unfit(tiny_encoder("albert"), asked) == "prune of layers and heads and hidden"
    assert unfit(tiny_model("lstm", tokens), asked) == "prune of layers and heads"
    assert unfit(tiny_transformer(num_layers=1), {"layers": 0.5}) == "prune of layers"
    assert unfit(Ensemble([tiny_transformer(), tiny_transformer()]), {"heads": 0.5}) == "prune"
    assert unfit(tiny_model("bag_of_embeddings", tokens), {"width": 0.5}) is None
    with pytest.raises(DoesNotApply, match="prune of heads does not apply to lstm"):
        prune(tiny_model("lstm", tokens), recovery, heads=0.5, **QUICK)
