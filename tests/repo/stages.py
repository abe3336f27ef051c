"""The stages of dvc.yaml as DVC itself resolves them, and what the code of each one imports."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from textmill.config import load_params

ROOT = Path(__file__).resolve().parents[2]

# Code that every stage uses and whose change is no reason to run them all again. What it does to an output shows
# in files that are dependencies: settings in params.yaml, data and models in the files that are read.
LEFT_OUT = {
    "pipeline/__init__.py",
    "src/textmill/__init__.py",
    *(
        f"src/textmill/{path.relative_to(ROOT / 'src/textmill')}"
        for room in ("cli", "config", "tracking")
        for path in (ROOT / "src/textmill" / room).glob("*.py")
    ),
    "src/textmill/errors.py",
    "src/textmill/hub.py",
    "src/textmill/paths.py",
    "src/textmill/presets.py",
    "src/textmill/tasks.py",
}
_IMPORT_STRING = re.compile(r"(textmill(?:\.\w+)+):\w+")


@dataclass(frozen=True)
class Stage:
    name: str  # compress@int8
    module: str  # pipeline/compress.py
    code: frozenset[str]  # dependencies under pipeline/ and src/, relative to the root
    params: frozenset[str]  # section.key of params.yaml


@cache
def stages() -> tuple[Stage, ...]:
    """Every stage, templates and foreach resolved."""
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    with Repo(str(ROOT)) as repo:
        return tuple(_read(stage) for stage in repo.index.stages if isinstance(stage, PipelineStage))


def _read(stage: "object") -> Stage:
    deps = [dep for dep in stage.deps if dep.def_path]  # type: ignore[attr-defined]
    plain = [dep.def_path for dep in deps if not hasattr(dep, "params")]
    params = [key for dep in deps for key in getattr(dep, "params", [])]
    module = re.match(r"python -m (pipeline\.\w+)", stage.cmd)  # type: ignore[attr-defined]
    assert module, stage
    return Stage(
        name=stage.addressing.rpartition(":")[2],  # type: ignore[attr-defined]
        module=module[1].replace(".", "/") + ".py",
        code=frozenset(path for path in plain if path.startswith(("pipeline/", "src/"))),
        params=frozenset(params),
    )


def import_closure(file: str) -> set[str]:
    """The project's files that `file` imports at any level, also inside functions, itself included.

    Import strings of plug-in tables count as imports; of the families only the active one.
    """
    found: set[str] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            if current not in LEFT_OUT:  # what these import is not followed: they are not the stage's own work
                waiting += _imports(current)
    return {path for path in found - LEFT_OUT if not _is_only_docstring(path)}


@cache
def _imports(file: str) -> list[str]:
    if not file.endswith(".py"):
        return []
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names: list[str] = []
    templates: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Dict):
            names += _plug_ins(node)
        elif _is_text(node) and node.value.endswith(".j2"):  # type: ignore[attr-defined]
            templates.append(f"src/textmill/reporting/templates/{node.value}")  # type: ignore[attr-defined]
    return [*templates, *(path for name in names for path in _files(name))]


def _plug_ins(table: ast.Dict) -> list[str]:
    family = load_params(ROOT / "params.yaml").model.family
    found = []
    for key, value in zip(table.keys, table.values, strict=True):
        match = _IMPORT_STRING.fullmatch(value.value) if _is_text(value) else None  # type: ignore[attr-defined]
        inactive = match and match[1].startswith("textmill.models.") and getattr(key, "value", None) != family
        if match and not inactive:
            found.append(match[1])
    return found


def _files(name: str) -> list[str]:
    """The file of a module and the __init__.py of every package above it; none if the module is not ours."""
    parts = name.split(".")
    if parts[0] not in ("textmill", "pipeline"):
        return []
    base = ROOT if parts[0] == "pipeline" else ROOT / "src"
    chains = [base.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    candidates = [path for chain in chains for path in (chain.with_suffix(".py"), chain / "__init__.py")]
    return [path.relative_to(ROOT).as_posix() for path in candidates if path.is_file()]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_only_docstring(file: str) -> bool:
    if not file.endswith("__init__.py"):
        return False
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return all(isinstance(n, ast.Expr) and _is_text(n.value) for n in body)
