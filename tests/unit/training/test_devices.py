"""Two processes on the CPU, started as Lightning's `ddp` starts them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.tiny_model import HYPER, tiny_transformer, write_tokens
from tests.tiny_run import REPOSITORY
from textmill.config import load_params
from textmill.training.builders import settings, train_settings
from textmill.training.dataset import TrainingData
from textmill.training.devices import UnfitDevice, share_batches
from textmill.training.fit import fit
from textmill.training.pretraining.builders import pretrain_settings
from textmill.training.settings import TrainerSettings

# Its own file, because Lightning starts the same command again for the second device.
SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path
import pytorch_lightning as pl
from tests.tiny_model import HYPER, SETTINGS, tiny_transformer
from textmill.training.dataset import TrainingData
from textmill.training.devices import is_first_process
from textmill.training.fit import fit
from textmill.training.settings import TrainerSettings

class Seen(pl.Callback):
    train, validation = [], []
    def on_train_batch_end(self, trainer, module, _, batch, batch_idx):
        self.train.append([trainer.current_epoch, batch["index_B"].tolist()])
    def on_validation_batch_end(self, trainer, module, _, batch, *__):
        self.validation += batch["index_B"].tolist()

data = TrainingData.open(Path(sys.argv[1]))
settings = replace(SETTINGS, epochs=2, batch_size=8, averaging="ema", ema_decay=0.9,
                   freeze_layers=1, trainer=TrainerSettings("cpu", 2, "ddp"))
model, seen = tiny_transformer(), Seen()
fitted = fit(model, data, settings, HYPER, checkpoints=Path(sys.argv[2]), callbacks=[seen])
rank = 0 if is_first_process() else 1
Path(sys.argv[3], f"{rank}.json").write_text(json.dumps({
    "train": seen.train, "validation": seen.validation, "score": fitted.score, "curves": fitted.curves,
    "weights": model.head.weight.flatten().tolist()}))
"""


@pytest.mark.slow
def test_two_processes_share_the_documents_and_end_alike(tmp_path):
    tokens = write_tokens(tmp_path / "tokens")
    (tmp_path / "out").mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), "src"]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "script.py"), *(str(tmp_path / name) for name in ("tokens", "c", "out"))]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert answer.returncode == 0, answer.stderr[-3000:]
    first, second = (json.loads((tmp_path / "out" / f"{rank}.json").read_text()) for rank in (0, 1))
    assert tokens.is_dir()
    for epoch in (0, 1):
        own, others = ([i for e, batch in r["train"] if e == epoch for i in batch] for r in (first, second))
        assert sorted(own + others) == list(range(160)), "each document once"
    assert len(first["train"]) == len(second["train"])
    assert sorted(first["validation"] + second["validation"]) == sorted(2 * list(range(64)))
    for key in ("score", "curves", "weights"):
        assert first[key] == second[key], key
    assert first["score"] > 0.5


class World:
    world_size, global_rank = 3, 0


def shares(batches):
    loader = DataLoader(np.arange(99), batch_sampler=batches)
    found = []
    for rank in range(3):
        trainer = World()
        trainer.global_rank = rank
        found.append(list(share_batches(loader, trainer).batch_sampler))
    return found


def test_all_devices_get_as_many_batches_and_each_document_once():
    found = shares([[0, 1, 2, 3, 4, 5, 6], [7, 8], [9], [10, 11, 12]])
    assert [len(batches) for batches in found] == [2, 2, 2]
    assert sorted(i for batches in found for batch in batches for i in batch) == list(range(13))


def test_fewer_documents_than_devices_are_told():
    with pytest.raises(UnfitDevice, match=r"train\.trainer\.devices is 3"):
        shares([[0], [1]])


def with_trainer(**trainer):
    params = load_params(REPOSITORY / "params.yaml")
    chosen = params.train.trainer.model_copy(update=trainer)
    return params.model_copy(update={"train": params.train.model_copy(update={"trainer": chosen})})


def test_all_that_trains_takes_the_accelerator_of_train_and_train_alone_its_devices():
    params = with_trainer(accelerator="cpu", devices=2, strategy="ddp")
    one = TrainerSettings("cpu", 1, "auto")
    assert settings(params, epochs=1, patience=1).trainer == one  # of tune, crossvalidate and the recipes
    assert pretrain_settings(params).trainer == one
    assert train_settings(params).trainer == TrainerSettings("cpu", 2, "ddp")


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_by_all_that_train(tmp_path):
    data = TrainingData.open(write_tokens(tmp_path / "tokens", 16, 16))
    asked = settings(with_trainer(accelerator="gpu"), epochs=1, patience=1)
    with pytest.raises(UnfitDevice, match=r"train\.trainer\.accelerator is gpu, but torch sees no GPU here"):
        fit(tiny_transformer(), data, asked, HYPER)
