"""Runs stages in a folder of their own, as DVC runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def write_params(folder, **changes):
    """The repository's params.yaml with some keys set to other values; of keys with one name, the first."""
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^(  labels:).*\n    0: .*\n    1: .*$", r"\1 {0: negative, 1: positive}", text, flags=re.MULTILINE)
    for key, value in changes.items():
        text, count = re.subn(rf"^(  {key}:).*$", rf"\1 {value}", text, count=1, flags=re.MULTILINE)
        assert count == 1, key
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    (folder / "contract.lock.yaml").write_text("reference: null\n", encoding="utf-8")


def run_stages(
    folder,
    *stages,
    code="import runpy, sys\nfor s in sys.argv[1:]: runpy.run_module(f'pipeline.{s}', run_name='__main__')",
):
    """Run stages in one process, so that the heavy libraries are imported once."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])}
    command = [sys.executable, "-c", code, *stages]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def fail_stage(folder, stage):
    """Run `python -m pipeline.STAGE`, which must exit with 1; return the message."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])}
    command = [sys.executable, "-m", f"pipeline.{stage}"]
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "dvc checkout" in answer.stderr
    return answer.stderr
