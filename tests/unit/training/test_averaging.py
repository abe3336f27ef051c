from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file

from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.training.averaging import WeightAverage
from textmill.training.checkpoints import BEST
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


class Recorder(pl.Callback):
    """The head's weights after each optimizer step, and those that validation was shown."""

    def __init__(self):
        self.steps, self.validated = [], []

    def on_train_batch_end(self, trainer, module, *_):
        if trainer.global_step > len(self.steps):
            self.steps.append(module.model.head.weight.detach().clone())

    def on_validation_batch_start(self, trainer, module, *_):
        self.validated.append(module.model.head.weight.detach().clone())


def moving_average(weights, decay):
    average = weights[0]
    for n, current in enumerate(weights[1:], start=1):
        d = min(decay, (1 + n) / (10 + n))
        average = d * average + (1 - d) * current
    return average


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_moving_average_is_what_is_validated_and_kept(data, tmp_path, accumulate):
    settings = replace(SETTINGS, epochs=1, averaging="ema", ema_decay=0.6, accumulate=accumulate)
    model, recorder = tiny_transformer(), Recorder()
    fit(model, data, settings, HYPER, checkpoints=tmp_path, callbacks=[recorder])
    expected = moving_average(recorder.steps, 0.6)
    torch.testing.assert_close(recorder.validated[-1], expected)
    torch.testing.assert_close(model.head.weight, expected)
    torch.testing.assert_close(load_file(tmp_path / BEST)["head.weight"], expected)
    assert (expected - recorder.steps[-1]).abs().max() > 1e-4


def test_stochastic_weight_averaging_is_the_mean_of_the_last_steps(data, tmp_path):
    settings = replace(SETTINGS, epochs=2, averaging="swa", swa_start=0.75)
    model, recorder = tiny_transformer(), Recorder()
    fit(model, data, settings, HYPER, callbacks=[recorder])
    num_steps = len(recorder.steps)
    last = recorder.steps[int(0.75 * num_steps) :]
    torch.testing.assert_close(model.head.weight, torch.stack(last).mean(0))
    before_it_began = recorder.validated[0]
    assert torch.equal(before_it_began, recorder.steps[num_steps // 2 - 1]), "the weights themselves are judged"


def test_training_goes_on_from_its_own_weights(data):
    """The average is an onlooker: steps are those of a run without one."""
    seen = []
    for averaging in ("none", "ema"):
        recorder = Recorder()
        fit(
            tiny_transformer(),
            data,
            replace(SETTINGS, epochs=2, averaging=averaging, ema_decay=0.9),
            HYPER,
            callbacks=[recorder],
        )
        seen.append(recorder.steps)
    for first, second in zip(*seen, strict=True):
        assert torch.equal(first, second)


def test_a_long_average_has_the_decay_that_was_asked_for():
    model = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage("ema", 0.5, 0.0)
    values = torch.linspace(0, 1, 60).tolist()
    for value in values:
        with torch.no_grad():
            model.weight.fill_(value)
        average.update(model)
    # Far from the start, an average of a straight line lags by decay / (1 - decay) steps.
    assert average.average[0].item() == pytest.approx(values[-2], abs=1e-5)
