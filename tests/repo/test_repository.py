"""What is in git: small files, readable code, nothing of this machine."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.repo.stages import ROOT

MAX_BYTES = 1_000_000
MAX_FILE_LINES = 260
MAX_FUNCTION_LINES = 60
# Data and weights are outputs or come from elsewhere.
WEIGHTS = {
    ".onnx",
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".npy",
    ".npz",
    ".pkl",
    ".pickle",
    ".joblib",
    ".parquet",
}
HOST_PATH = re.compile(r"(?<![\w.$}])/(?:home|root|Users|work|mnt|opt)/[\w.-]+")


@cache
def files() -> tuple[Path, ...]:
    """What git tracks or would: of a copy without a history, every file."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ("src", "pipeline")]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_are_small() -> None:
    assert [relative(path) for path in files() if path.stat().st_size > MAX_BYTES] == []


def test_no_data_and_no_weights() -> None:
    assert [relative(path) for path in files() if path.suffix in WEIGHTS or path.suffix.startswith(".db")] == []
    kept = {relative(p) for p in files() if relative(p).startswith(("data/", "models/", "reports/", "mlruns/"))}
    pointers = {name for name in kept if name.startswith("data/inputs/") and name.endswith((".dvc", ".gitignore"))}
    assert kept - pointers == {"data/README.md", "data/inputs/README.md"}


@pytest.mark.parametrize("path", python_files(), ids=relative)
def test_code_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert [f"{name}: {lines} lines" for name, lines in functions(text) if lines > MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("path", python_files(), ids=relative)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_pickle() -> None:
    """Lightning's checkpoints, read with weights_only=True, are the one exception that is made."""
    forbidden = re.compile(r"\b(?:pickle|joblib|dill|cloudpickle)\b\.|import (?:pickle|joblib|dill|cloudpickle)\b")
    for path in python_files():
        text = path.read_text(encoding="utf-8")
        assert not forbidden.search(text), relative(path)
        for call in re.finditer(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call[0], relative(path)
        assert "allow_pickle=True" not in text, relative(path)


def test_no_paths_of_a_machine() -> None:
    texts = [path for path in files() if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".lock", ".json", ""}]
    found = {relative(p): HOST_PATH.findall(p.read_text(encoding="utf-8", errors="replace")) for p in texts}
    allowed = {"tests/repo/test_repository.py", "LICENSE"}
    assert {name: paths for name, paths in found.items() if paths and name not in allowed} == {}


def test_locks_are_pinned_and_sorted() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-data.lock"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[\w.!]+", pin)] == [], name
        names = [pin.partition("==")[0].lower() for pin in pins]
        assert names == sorted(names), name
        assert len(set(names)) == len(names), name


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function and its lines, its docstring left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = node.body[0] if ast.get_docstring(node) else None
            yield node.name, _num_lines(node) - (_num_lines(docstring) if docstring else 0)


def _num_lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
