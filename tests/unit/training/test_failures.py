import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.training.dataset import TrainingData
from textmill.training.devices import UnfitDevice
from textmill.training.failures import DivergedTraining, OutOfMemory, memory_explained
from textmill.training.fit import fit
from textmill.training.settings import LoraSettings, TrainerSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


class SpoilAtStep(pl.Callback):
    """Puts a value into the head before a step."""

    def __init__(self, step, value):
        self.step, self.value, self.batch = step, value, None

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_step == self.step and self.batch is None:
            self.batch = batch["index_B"].tolist()
            with torch.no_grad():
                module.model.head.weight.fill_(self.value)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_no_number_stops_with_its_place_and_documents(data, accumulate):
    spoil = SpoilAtStep(13 // accumulate, float("nan"))
    with pytest.raises(DivergedTraining) as error:
        fit(tiny_transformer(), data, replace(SETTINGS, accumulate=accumulate), HYPER, callbacks=[spoil])
    told = str(error.value)
    assert f"training loss is nan at step {spoil.step} (epoch 2), at learning rate 0.00" in told
    assert f"documents {', '.join(map(str, spoil.batch[:8]))}" in told
    assert "data/splits/train.parquet" in told
    assert "(tune.fixed or tune.space; of a recipe, its step's learning_rate)" in told
    assert "training.precision" in told


def test_an_infinite_gradient_is_told(data):
    """The loss is a number, its gradient is not: a square root at zero."""

    def rooted(logits, batch):
        return (logits - logits.detach()).square().sum().add(0).sqrt() + 1

    with pytest.raises(DivergedTraining, match=r"gradient norm is (nan|inf) at step 0 .*training\.gradient_clip"):
        fit(tiny_transformer(), data, SETTINGS, HYPER, loss=rooted)


def test_no_checkpoint_is_written_of_weights_that_are_no_numbers(data, tmp_path):
    settings = replace(SETTINGS, checkpoint_minutes=1e-9)
    with pytest.raises(DivergedTraining):
        fit(
            tiny_transformer(),
            data,
            settings,
            HYPER,
            checkpoints=tmp_path,
            callbacks=[SpoilAtStep(5, float("nan"))],
        )
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 5
    assert all(torch.isfinite(tensor).all() for tensor in saved["state_dict"].values() if tensor.is_floating_point())


def test_weights_that_end_as_nan_are_told(data):
    class Spoil(pl.Callback):
        def on_validation_start(self, trainer, module):
            with torch.no_grad():
                module.model.head.weight.fill_(float("nan"))

    with pytest.raises(DivergedTraining, match="validation loss is nan after epoch 1"):
        fit(tiny_transformer(), data, replace(SETTINGS, epochs=1), HYPER, callbacks=[Spoil()])


TRAIN_IN_LITTLE_MEMORY = """
import json, resource, sys
from dataclasses import replace
from pathlib import Path
from tests.tiny_model import HYPER, SETTINGS, tiny_transformer
from textmill.training.dataset import TrainingData
from textmill.training.failures import OutOfMemory
from textmill.training.fit import fit

data = TrainingData.open(Path(sys.argv[1]))
model = tiny_transformer(intermediate_size=40_000)
fit(tiny_transformer(), data, replace(SETTINGS, epochs=1), HYPER)  # whatever Lightning and torch load on the way
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000,) * 2)
try:
    fit(model, data, replace(SETTINGS, batch_size=64, batch_tokens=8192), HYPER)
except OutOfMemory as error:
    print(json.dumps(str(error)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by Linux's means")
def test_memory_that_runs_out_names_what_to_lower(tmp_path):
    folder = write_tokens(tmp_path)
    command = [sys.executable, "-c", TRAIN_IN_LITTLE_MEMORY, str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert "a tensor of 0." in told
    assert "training.batch_size (64), training.batch_tokens (8192) or tokenize.max_length (the longest here has" in told
    assert "train.trainer" in told


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB."),
        MemoryError(),
    ],
)
def test_other_shortages_are_told_alike(data, error):
    with pytest.raises(OutOfMemory, match=r"training\.batch_size \(16\)"), memory_explained(SETTINGS, data):
        raise error


def test_numpys_shortage_is_told(data):
    with pytest.raises(OutOfMemory, match="Unable to allocate"), memory_explained(SETTINGS, data):
        np.empty(2**56)


def test_other_errors_stay_what_they_are(data):
    with pytest.raises(RuntimeError, match="shape"), memory_explained(SETTINGS, data):
        raise RuntimeError("shape mismatch")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"precision": "16-mixed"}, r"training\.precision is 16-mixed, which needs a GPU"),
        ({"trainer": TrainerSettings("gpu", 1, "auto")}, r"train\.trainer\.accelerator is gpu"),
        ({"trainer": TrainerSettings("cpu", 2, "fsdp")}, r"train\.trainer\.strategy is fsdp"),
        ({"lora": LoraSettings(2, 2.0, 0.0), "trainer": TrainerSettings("cpu", 2, "fsdp")}, "fsdp"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the others lack")
def test_what_the_machine_has_not_is_told(data, changed, told):
    with pytest.raises(UnfitDevice, match=told):
        fit(tiny_transformer(), data, replace(SETTINGS, **changed), HYPER)
