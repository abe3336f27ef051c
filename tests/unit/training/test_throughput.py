from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.training import throughput
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit


class Records(Logger):
    """Keeps what it is given; an ordinary Lightning logger otherwise."""

    name, version = "records", 0

    def __init__(self):
        super().__init__()
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append({"step": step, **metrics})

    def log_hyperparams(self, params):
        pass


class Batches(pl.Callback):
    def __init__(self):
        self.losses, self.norms, self.rates, self.num_tokens = [], [], [], 0

    def on_train_batch_end(self, trainer, module, _, batch, batch_idx):
        self.losses.append((module.latest.loss.item(), len(batch["index_B"])))
        self.norms.append(module.latest.gradient_norm)
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.num_tokens += int(batch["attention_mask_WT"].sum())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


def trained(data, **changed):
    records, batches = Records(), Batches()
    settings = replace(SETTINGS, epochs=1, **changed)
    fit(tiny_transformer(), data, settings, HYPER, logger=records, callbacks=[batches])
    return records.rows, batches


def test_a_short_epoch_is_one_reading_of_all_of_it(data, monkeypatch):
    monkeypatch.setattr(throughput, "SECONDS", 1e9)
    rows, batches = trained(data)
    (reading,) = [row for row in rows if "train_loss" in row]
    losses, sizes = zip(*batches.losses, strict=True)
    assert reading["train_loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)
    assert reading["gradient_norm"] == pytest.approx(float(np.mean(batches.norms)), rel=1e-5)
    assert reading["step"] == len(sizes)
    ratio = reading["tokens_per_s"] / reading["documents_per_s"]
    assert ratio == pytest.approx(batches.num_tokens / sum(sizes)), "padding does not count"
    assert reading["memory_mb"] > 50
    (validated,) = [row for row in rows if "validation_loss" in row]
    assert 0 <= validated["validation_score"] <= 1


def test_readings_come_when_it_is_time_and_show_the_rate_of_each_step(data, monkeypatch):
    monkeypatch.setattr(throughput, "SECONDS", 0.0)
    rows, batches = trained(data)
    readings = [row for row in rows if "train_loss" in row]
    assert [row["step"] for row in readings] == list(range(1, len(batches.losses) + 1))
    assert [row["learning_rate"] for row in readings] == batches.rates
    assert [row["train_loss"] for row in readings] == pytest.approx([loss for loss, _ in batches.losses], rel=1e-5)


def test_a_line_an_epoch_tells_score_and_speed(data, capsys):
    fit(tiny_transformer(), data, replace(SETTINGS, epochs=2), HYPER, progress="train")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("train: epoch 2/2, step ")
    assert "macro-F1 0." in lines[1]
    assert lines[1].endswith("tokens/s")
    assert "documents/s" in lines[1]
