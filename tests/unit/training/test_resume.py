"""Stopped anywhere and started again, a training ends as if it had not been stopped."""

import itertools
import shutil
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch

from tests.stopping import StopAfter, Stopped
from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.training.checkpoints import BEST, LAST, UnusableCheckpoint
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit
from textmill.training.settings import LoraSettings

NOW = 1e-9  # minutes: a checkpoint after every step


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


class Steps(pl.Callback):
    """Batches seen by all runs that share it: epoch, number and documents."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, _, batch, batch_idx):
        self.seen.append((trainer.current_epoch, batch_idx, sorted(batch["index_B"].tolist())))


def run_with_stops(data, settings, folder, stops):
    """Start again after each stop, with fresh models as a fresh process has; the last run ends by itself."""
    steps = Steps()
    for num_batches in stops:
        with pytest.raises(Stopped):
            fit(
                tiny_transformer(),
                data,
                settings,
                HYPER,
                checkpoints=folder,
                callbacks=[steps, StopAfter(num_batches)],
            )
    model = tiny_transformer()
    return model, fit(model, data, settings, HYPER, checkpoints=folder, callbacks=[steps]), steps.seen


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"accumulate": 3},
        {"averaging": "ema", "ema_decay": 0.9},
        {"averaging": "ema", "ema_decay": 0.9, "accumulate": 2},
        {"averaging": "swa", "swa_start": 0.4},
        {"lora": LoraSettings(rank=2, alpha=4.0, dropout=0.1)},
    ],
    ids=["plain", "accumulated", "ema", "ema accumulated", "swa", "lora"],
)
def test_stopped_within_epochs_it_ends_as_if_undisturbed(data, tmp_path, features):
    settings = replace(SETTINGS, checkpoint_minutes=NOW, **features)
    whole, undisturbed, expected = run_with_stops(data, settings, tmp_path / "a", [])
    resumed, again, seen = run_with_stops(data, settings, tmp_path / "b", [4, 1, 13, 2])
    assert again.curves == undisturbed.curves
    # Batches after the last step that was saved are seen again, with the same documents; none is left out.
    assert sorted(set(map(str, seen))) == sorted(map(str, expected))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, msg=name, rtol=0, atol=0)


def test_a_stop_at_every_single_batch(data, tmp_path):
    settings = replace(SETTINGS, epochs=2, checkpoint_minutes=NOW)
    _, undisturbed, expected = run_with_stops(data, settings, tmp_path / "a", [])
    _, again, seen = run_with_stops(data, settings, tmp_path / "b", [1] * (len(expected) - 1))
    assert seen == expected
    assert again.curves == undisturbed.curves


def test_without_checkpoints_within_epochs_the_epoch_is_trained_again(data, tmp_path):
    whole, undisturbed, expected = run_with_stops(data, SETTINGS, tmp_path / "a", [])
    resumed, again, seen = run_with_stops(data, SETTINGS, tmp_path / "b", [len(expected) // 3 + 2])
    assert again.curves == undisturbed.curves
    assert len(seen) == len(expected) + 2
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, msg=name)


def test_a_run_that_had_stopped_early_or_ended_does_not_go_on(data, tmp_path):
    settings, flat = replace(SETTINGS, epochs=9, patience=1), replace(HYPER, learning_rate=1e-12)
    first, again = (fit(tiny_transformer(), data, settings, flat, checkpoints=tmp_path) for _ in range(2))
    assert len(first.curves) == len(again.curves) == 2
    settings = replace(SETTINGS, epochs=2, patience=2)
    first, again = (fit(tiny_transformer(), data, settings, HYPER, checkpoints=tmp_path / "b") for _ in range(2))
    assert first == again


def test_checkpoints_are_as_far_apart_as_asked(data, tmp_path, monkeypatch):
    clock = itertools.count(step=20)  # seconds; read once a batch, and once when a state is written
    monkeypatch.setattr("textmill.training.checkpoints.time.monotonic", lambda: next(clock))
    written = []
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", lambda self, path: written.append(self.global_step))
    with pytest.raises(Stopped):
        fit(
            tiny_transformer(),
            data,
            replace(SETTINGS, checkpoint_minutes=1.0),
            HYPER,
            checkpoints=tmp_path,
            callbacks=[StopAfter(8)],
        )
    assert written == [3, 6]


@pytest.fixture
def interrupted(data, tmp_path):
    with pytest.raises(Stopped):
        settings = replace(SETTINGS, checkpoint_minutes=NOW)
        fit(tiny_transformer(), data, settings, HYPER, checkpoints=tmp_path, callbacks=[StopAfter(5)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST], "nothing half-written is left"
    return tmp_path


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_told_with_the_way_out(data, interrupted, content):
    path = interrupted / LAST
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UnusableCheckpoint, match=r"last\.ckpt, .* cannot be read: .* Delete .* from the beginning"):
        fit(tiny_transformer(), data, SETTINGS, HYPER, checkpoints=interrupted)
    shutil.rmtree(interrupted)
    assert fit(tiny_transformer(), data, replace(SETTINGS, epochs=1), HYPER, checkpoints=interrupted).curves


def test_the_checkpoint_of_another_training_is_told(data, interrupted):
    with pytest.raises(UnusableCheckpoint, match=r"another training; .*learning_rate \(0\.005 there, 0\.1 here\)"):
        fit(tiny_transformer(), data, SETTINGS, replace(HYPER, learning_rate=0.1), checkpoints=interrupted)
    with pytest.raises(UnusableCheckpoint, match="num_parameters"):
        fit(tiny_transformer(num_layers=1), data, SETTINGS, HYPER, checkpoints=interrupted)


def test_damaged_best_weights_are_told(data, tmp_path):
    fit(tiny_transformer(), data, SETTINGS, HYPER, checkpoints=tmp_path)
    (tmp_path / BEST).write_bytes(b"nothing")
    with pytest.raises(UnusableCheckpoint, match=r"best\.safetensors.* cannot be read"):
        fit(tiny_transformer(), data, SETTINGS, HYPER, checkpoints=tmp_path)
