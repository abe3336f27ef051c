"""SIGKILL at random moments of `dvc repro train`, then the same command again: the model of an undisturbed run."""

import json
import random
import shutil
import signal
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from safetensors.numpy import load_file

from tests.checkout import small_bert

NUM_KILLS = 5
EPOCHS = 30


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return small_bert(
        tmp_path_factory.mktemp("checkout"),
        training__accumulate=2,
        training__averaging="ema",
        train__epochs=EPOCHS,
        train__patience=EPOCHS,
        train__checkpoint_minutes=0.005,
    )


@pytest.mark.slow
def test_killed_five_times_it_ends_as_if_undisturbed(checkout):
    moments = random.Random(4)
    steps = [kill_in_training(checkout, moments.uniform(0, 1.5)) for _ in range(NUM_KILLS)]
    assert steps == sorted(steps)
    assert steps[0] < steps[-1], "each run went on from where the one before had come"
    checkout.run("dvc", "repro", "train")
    assert not list((checkout.folder / ".textmill/checkpoints").rglob("*.*")), "checkpoints go when the stage succeeds"
    trained = checkout.folder / "models/trained"
    shutil.copytree(trained, checkout.folder / "resumed")

    checkout.run("dvc", "repro", "--force", "--single-item", "train")
    resumed, undisturbed = (pd.read_csv(folder / "curves.csv") for folder in (checkout.folder / "resumed", trained))
    assert undisturbed["step"].iloc[-1] == EPOCHS * np.ceil(num_batches(checkout) / 2)
    pd.testing.assert_frame_equal(resumed, undisturbed, rtol=1e-5)
    expected = load_file(trained / "torch/model.safetensors")
    actual = load_file(checkout.folder / "resumed/torch/model.safetensors")
    for name, weights in expected.items():
        np.testing.assert_allclose(actual[name], weights, rtol=1e-4, atol=1e-6, err_msg=name)


def kill_in_training(checkout, seconds):
    """Kill the stage, and dvc before it, some time after the run has written its first state; the step that it had."""
    folder = checkout.folder / ".textmill/checkpoints"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("last.ckpt")}

    def has_written():
        return [path for path in folder.rglob("last.ckpt") if path.stat().st_mtime_ns != before.get(path)]

    dvc = checkout.start("dvc", "repro", "train")
    try:
        deadline = time.monotonic() + 120
        while not has_written():
            assert dvc.poll() is None, dvc.stdout.read()
            assert time.monotonic() < deadline, "no state was written"
            time.sleep(0.02)
        time.sleep(seconds)
    finally:
        for process in [psutil.Process(dvc.pid), *psutil.Process(dvc.pid).children(recursive=True)]:
            process.send_signal(signal.SIGKILL)
        dvc.wait()
    (path,) = folder.rglob("last.ckpt")
    return step_of(checkout, path)


def step_of(checkout, path):
    code = f"import torch; print(torch.load({str(path)!r}, weights_only=True)['global_step'])"
    return int(checkout.run("python", "-c", code).stdout)


def num_batches(checkout):
    code = (
        "from pathlib import Path; from textmill.data.batches import train_batches;"
        "from textmill.data.tokens import TokenArrays;"
        "tokens = TokenArrays.open(Path('data/tokens'), 'train');"
        "print(len(train_batches(tokens, 0, batch_size=8, batch_tokens=16384, seed=42)))"
    )
    return json.loads(checkout.run("python", "-c", code).stdout)
