"""One finished run for all tests that only look at it: its evaluation takes seconds."""

from pathlib import Path

import pytest

from tests.page_text import EVIL, reported_run
from textmill.artifacts import read_table
from textmill.paths import Paths


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A finished run whose texts, names and labels are hostile; who changes it puts it back."""
    folder: Path = tmp_path_factory.mktemp("page")
    paths = reported_run(folder, label=EVIL, found=EVIL)
    for split in ("train", "test"):
        table = read_table(paths.split(split))
        table.assign(text=EVIL).to_parquet(paths.split(split))
    return paths
