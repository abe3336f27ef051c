"""The code that a lineage key covers is the code that dvc.yaml says the stage depends on: neither forgets a file."""

import ast

import pytest

from pipeline import baseline, compress, pretrain, train
from tests.repo.stages import ROOT, import_closure, stages
from tests.repo.test_dvc_deps import covers
from textmill.search.setup import SEARCH_CODE
from textmill.tracking import TRAINING_CODE

# The lists of code that the stages pass to `tracking.lineage`, which DVC's dependencies on code must equal. A stage
# that trains either a network or the baseline has a key for each, so that its dependencies are both lists together.
KEYS = {
    "pipeline/baseline.py": [*baseline.CODE],
    "pipeline/compress.py": [*compress.CODE],
    "pipeline/crossvalidate.py": [*TRAINING_CODE],
    "pipeline/pretrain.py": [*pretrain.CODE],
    "pipeline/train.py": [*TRAINING_CODE, *train.BASELINE_CODE],
    "pipeline/tune.py": [*TRAINING_CODE, *SEARCH_CODE],
}
TASKS = "src/textmill/tasks.py"  # is in keys, and no dependency of DVC's: tests/repo/stages.py says why
# The last ones are for pipeline/tune.py, and for `textmill compress`, which is no stage.
MAKES_A_KEY = {*KEYS, "src/textmill/search/setup.py", "src/textmill/budget_search/setup.py"}
# How files are found, read and written: what is in them counts, and their contents are in the key.
FILES = {"src/textmill/artifacts.py", "src/textmill/assets.py"}
# A stage runs again when these change; a result does not, or its key says what they did.
NOT_IN_A_KEY = {
    # Deliberately a subset. These decide how a study is kept, shared, shown and continued: a change of them must not
    # throw a study of a hundred trials away. SEARCH_CODE has what decides a trial's values and its result.
    "pipeline/tune.py": {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/textmill/search").glob("*.py")}
    - {f"src/textmill/{name}" for name in SEARCH_CODE},
}


@pytest.mark.parametrize("module", KEYS)
def test_a_key_covers_the_code_of_its_stage(module: str) -> None:
    named = [f"src/textmill/{name}" for name in KEYS[module]]
    closure = {file for file in import_closure(module) if file.startswith("src/")}
    left_out = FILES | NOT_IN_A_KEY.get(module, set())
    forgotten = sorted(file for file in closure - left_out if not any(covers(name, file) for name in named))
    assert not forgotten, f"dvc.yaml has {module} depend on {', '.join(forgotten)}, but its lineage key does not"
    needless = sorted(name for name in named if not any(covers(name, file) for file in closure | {TASKS}))
    assert not needless, f"the lineage key of {module} covers {', '.join(needless)}, which the stage does not import"


@pytest.mark.parametrize("module", KEYS)
def test_dvc_yaml_names_what_the_keys_cover(module: str) -> None:
    """File by file, whether dvc.yaml names a folder and the key its files or the other way round."""
    for stage in (stage for stage in stages() if stage.module == module):
        of_key = {file for name in KEYS[module] for file in _files(f"src/textmill/{name}")} - {TASKS}
        of_dvc = {file for name in stage.code if name.startswith("src/") for file in _files(name)}
        assert of_key <= of_dvc, f"dvc.yaml lacks, of the key of {stage.name}: {', '.join(sorted(of_key - of_dvc))}"


def test_every_file_that_makes_a_key_is_looked_at() -> None:
    files = [*(ROOT / "pipeline").glob("*.py"), *(ROOT / "src/textmill").rglob("*.py")]
    callers = {path.relative_to(ROOT).as_posix() for path in files if _calls_lineage(path.read_text(encoding="utf-8"))}
    assert callers - {"pipeline/tune.py"} == MAKES_A_KEY - {"pipeline/tune.py"}


def _calls_lineage(source: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "lineage"
        and getattr(node.func.value, "id", None) == "tracking"
        for node in ast.walk(ast.parse(source))
    )


def _files(name: str) -> set[str]:
    path = ROOT / name
    return {file.relative_to(ROOT).as_posix() for file in path.rglob("*.py")} if path.is_dir() else {name}
