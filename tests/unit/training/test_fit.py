from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import f1_score

from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.training.fit import TrainingData, fit, predict_logits
from textmill.training.lit_module import DivergedTraining, LitClassifier


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


class KilledAtEpoch(pl.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, *_):
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def test_it_learns_and_keeps_the_best_epoch(data, tmp_path):
    model = tiny_transformer()
    fitted = fit(model, data, replace(SETTINGS, epochs=8, patience=8), HYPER, checkpoints=tmp_path)
    scores = [row["validation_score"] for row in fitted.curves]
    assert fitted.f1_macro == max(scores) > 0.9
    assert fitted.curves[-1]["train_loss"] < fitted.curves[0]["train_loss"]
    logits = predict_logits(model, data.validation, 0, 2, SETTINGS)
    score = f1_score(data.validation.labels, logits.argmax(1).numpy(), average="macro")
    assert score == pytest.approx(fitted.f1_macro), "the weights in memory are the best epoch's"


def test_a_killed_run_ends_as_if_undisturbed(data, tmp_path):
    whole = tiny_transformer()
    undisturbed = fit(whole, data, SETTINGS, HYPER, checkpoints=tmp_path / "a")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tiny_transformer(), data, SETTINGS, HYPER, checkpoints=tmp_path / "b", callbacks=[KilledAtEpoch(2)])
    resumed_model = tiny_transformer()
    resumed = fit(resumed_model, data, SETTINGS, HYPER, checkpoints=tmp_path / "b")
    assert resumed.curves == undisturbed.curves
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed_model.state_dict()[name], tensor, msg=name)


def test_it_stops_early(data):
    # A learning rate of nearly zero: the score cannot improve.
    fitted = fit(tiny_transformer(), data, replace(SETTINGS, epochs=9, patience=2), replace(HYPER, learning_rate=1e-12))
    assert len(fitted.curves) == 3


def test_patience_counts_epochs_however_often_they_are_validated(data):
    flat = replace(HYPER, learning_rate=1e-12)
    settings = replace(SETTINGS, epochs=4, patience=4)
    seen = []

    class Steps(pl.Callback):
        def on_train_end(self, trainer, *_):
            seen.append(trainer.global_step)

    for validations in (1, 5):
        fit(tiny_transformer(), data, settings, flat, validations_per_epoch=validations, callbacks=[Steps()])
    assert seen == [40, 40]


def test_a_run_that_had_stopped_early_does_not_go_on(data, tmp_path):
    settings, flat = replace(SETTINGS, epochs=9, patience=1), replace(HYPER, learning_rate=1e-12)
    first, again = (fit(tiny_transformer(), data, settings, flat, checkpoints=tmp_path) for _ in range(2))
    assert len(first.curves) == len(again.curves) == 2


def test_weights_that_end_as_nan_are_told(data):
    class Spoil(pl.Callback):
        def on_train_batch_end(self, trainer, module, *_):
            if trainer.global_step == 10:  # after the epoch's last loss
                with torch.no_grad():
                    module.model.head.weight.fill_(float("nan"))

    with pytest.raises(DivergedTraining, match="validation loss is nan after epoch 1"):
        fit(tiny_transformer(), data, replace(SETTINGS, epochs=1), HYPER, callbacks=[Spoil()])


def test_a_loss_that_is_not_a_number_stops_with_the_learning_rate(data):
    model = tiny_transformer()
    with torch.no_grad():
        model.head.weight.fill_(float("nan"))
    with pytest.raises(DivergedTraining, match=r"step 0 .*learning rate is 0\.005"):
        fit(model, data, SETTINGS, HYPER)


def test_norms_and_biases_have_no_weight_decay(data):
    module = LitClassifier(tiny_transformer(), HYPER, "linear", 0)
    trainer = pl.Trainer(max_steps=10, logger=False, enable_checkpointing=False)
    module.trainer = trainer
    optimizer = module.configure_optimizers()["optimizer"]
    names = {id(p): n for n, p in module.named_parameters()}
    decayed, others = ({names[id(p)] for p in group["params"]} for group in optimizer.param_groups)
    assert optimizer.param_groups[0]["weight_decay"] == HYPER.weight_decay
    assert optimizer.param_groups[1]["weight_decay"] == 0
    assert all(name.endswith(".weight") and "LayerNorm" not in name for name in decayed)
    assert all(name.endswith(".bias") or "LayerNorm" in name for name in others)
    assert len(decayed | others) == len(list(module.parameters()))


@pytest.mark.parametrize(("schedule", "at_end"), [("linear", 0.0), ("cosine", 0.0), ("constant", 1.0)])
def test_learning_rate_warms_up_and_decays(data, schedule, at_end):
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, *_):
            seen.append(trainer.optimizers[0].param_groups[0]["lr"] / HYPER.learning_rate)

    fit(tiny_transformer(), data, replace(SETTINGS, schedule=schedule), HYPER, callbacks=[Watch()])
    assert len(seen) == 30
    assert seen[:4] == pytest.approx([0, 1 / 3, 2 / 3, 1.0])
    assert seen[-1] == pytest.approx(at_end, abs=0.1)


def test_a_sample_keeps_the_balance(data):
    sample = data.sample(0.25, seed=1)
    assert np.bincount(data.train.labels[sample.indices]).tolist() == [20, 20]
    assert sample.indices.tolist() == data.sample(0.25, seed=1).indices.tolist()
    assert sample.indices.tolist() != data.sample(0.25, seed=2).indices.tolist()
    assert len(data.sample(1e-9, seed=1).indices) == 2
