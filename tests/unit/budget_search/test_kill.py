"""SIGKILL in the middle of a search: the same command ends with the trials of an undisturbed one."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.repo.stages import ROOT
from tests.tiny_budget import write_search
from textmill.artifacts import read_json
from textmill.paths import Paths

NUM_TRIALS = 6
NUM_KILLS = 4
# The first of all recipes take their defaults, the others are drawn by chance: no measured latency has a say.
SETTINGS = {"num_trials": NUM_TRIALS, "sampler": "random"}


def start(paths):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-m", "textmill.cli", "compress"]
    return subprocess.Popen(
        command, cwd=paths.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(paths):
    process = start(paths)
    told, _ = process.communicate(timeout=600)
    assert process.returncode == 0, told
    return read_json(paths.compression_search)


def count_begun(paths):
    if not paths.study_database.exists():
        return 0
    connection = sqlite3.connect(f"file:{paths.study_database}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute("SELECT count(*) FROM trials").fetchone()[0]
    except sqlite3.OperationalError:  # no table yet
        return 0
    finally:
        connection.close()


@pytest.mark.slow
def test_killed_several_times_it_ends_with_the_trials_of_an_undisturbed_search(made, tmp_path):
    disturbed, undisturbed = (Paths(tmp_path / name, tmp_path / name) for name in ("disturbed", "undisturbed"))
    for paths in (disturbed, undisturbed):
        shutil.copytree(made, paths.root)
        write_search(paths, **SETTINGS)
    moments = random.Random(3)
    for _ in range(NUM_KILLS):
        begun, process = count_begun(disturbed), start(disturbed)
        deadline = time.monotonic() + 300
        while count_begun(disturbed) <= begun:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline, "no trial came"
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 3))
        process.send_signal(signal.SIGKILL)
        process.communicate()

    found, expected = finish(disturbed), finish(undisturbed)
    finished = [trial for trial in found["trials"] if trial["state"] == "complete"]
    assert len(finished) == NUM_TRIALS, "none lost, none doubled"
    assert [trial["stopped"] for trial in found["trials"] if trial["state"] != "complete"]
    by_recipe = {trial["folder"]: trial["figures"] for trial in finished}
    for trial in expected["trials"]:
        figures = by_recipe[trial["folder"]]
        for name in ("score", "size_mb"):
            assert figures[name] == pytest.approx(trial["figures"][name], rel=1e-6), trial["recipe"]
    again = finish(disturbed)
    assert again["trials"] == found["trials"], "nothing is left to do"
