"""What a user can get wrong in a recipe is told before or when it runs: by key, value, what is allowed, the way out."""

import shutil
from typing import Any

import pytest

from pipeline.compress import run
from tests.tiny_model import HYPER, outspoken, tiny_model, tiny_transformer, write_tokens
from tests.tiny_run import migrated_database, write_params
from tests.tiny_steps import written_step
from textmill.artifacts import read_json
from textmill.config.reading import InvalidParams
from textmill.errors import UserError
from textmill.models.folder import save_model
from textmill.paths import Paths

QUANTIZE = written_step("quantize")
STATIC = {"method": "quantize", "arithmetic": "static_int8"}
DISTILL = written_step("distill")


def params_of(paths, *steps, **recipes):
    """The repository's params.yaml with the recipe `tried` of these steps."""
    full = {"full": {"from": "trained", "steps": []}}
    return write_params(paths, compress__recipes={**full, **recipes, "tried": {"from": "full", "steps": [*steps]}})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`full` of a transformer of two layers, and of an LSTM."""
    found = {}
    for family in ("transformer", "lstm"):
        root = tmp_path_factory.mktemp(family)
        paths = found[family] = Paths(root, root)
        write_tokens(paths.tokens, num_train=16, num_validation=16)
        shutil.copy(migrated_database(), paths.mlflow_database)
        model = tiny_transformer() if family == "transformer" else tiny_model("lstm", paths.tokens)
        description: dict[str, Any] = {"hyperparameters": vars(HYPER), "max_length": 32, "lineage": {"key": "0" * 64}}
        save_model(paths.model("trained") / "torch", outspoken(model), description)
        run(params_of(paths), paths, "full")
    return found


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{"method": "shrink", "by": 2}], ["shrink", "quantize", "prune", "distill"]),
        ([{**QUANTIZE, "per_chanel": True}], ["per_chanel"]),
        ([written_step("prune", heads=1.5)], ["heads", "1.5", "less than 1"]),
        ([QUANTIZE, DISTILL], ["quantize -> distill", "must be the last"]),
        ([QUANTIZE, QUANTIZE], ["at most once"]),
        (
            [{**STATIC, "calibration": {"method": "min_max", "documents": 0}}],
            ["calibration.documents", "greater than or equal to 1, found 0"],
        ),
        ([STATIC], ["static_int8", "calibration"]),
        ([written_step("prune", target={"parameters": 0.0})], ["target.parameters", "0"]),
        ([written_step("prune", heads=0, feed_forward=0)], ["prune removes nothing"]),
    ],
)
def test_a_mistake_in_params_yaml_is_told_before_anything_runs(tmp_path, steps, words):
    with pytest.raises(InvalidParams) as refusal:
        params_of(Paths(tmp_path, tmp_path), *steps)
    for word in ["compress", "recipes.tried", *words]:
        assert word in str(refusal.value), str(refusal.value)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (  # a student larger than its teacher
            [{**DISTILL, "student": {"family": "transformer", "num_layers": 5}}],
            ["distill", "5 layers", "the teacher has 2"],
        ),
        (
            [{**DISTILL, "student": {"family": "lstm", "embeddings": "own", "embedding_size": 512, "hidden_size": 64}
              | {"num_layers": 1}}],
            ["distill", "parameters", "embedding_size"],
        ),
        (  # a target below what is possible
            [written_step("prune", target={"parameters": 0.01})],
            ["prune", "target", "parameters", "0.01"],
        ),
        ([{"method": "factorize_embeddings", "rank": 4096}], ["factorize_embeddings", "rank", "4096", "32"]),
        ([written_step("trim_vocabulary", max_tokens=3)], ["trim_vocabulary", "max_tokens", "3"]),
        (  # what only shows when an earlier step has run
            [written_step("distill", "lstm"), written_step("prune")],
            ["prune of heads and feed_forward does not apply to bag_of_embeddings"],
        ),
    ],
)  # fmt: skip
def test_what_only_the_model_can_tell_names_the_key_and_what_is_possible(made, steps, words):
    paths = made["transformer"]
    with pytest.raises(UserError) as refusal:
        run(params_of(paths, *steps), paths, "tried")
    for word in ["compress.recipes", *words]:
        assert word in str(refusal.value), str(refusal.value)
    assert not paths.bundle("tried").exists(), "nothing is left behind"


@pytest.mark.parametrize(
    ("family", "step", "reason"),
    [
        ("lstm", written_step("prune"), "prune of heads and feed_forward does not apply to lstm"),
        ("lstm", DISTILL, "distill to a transformer does not apply to lstm"),
        (
            "transformer",
            written_step("prune", "lstm"),
            "prune of hidden does not apply to transformer of model_type bert",
        ),
    ],
)
def test_a_method_that_does_not_apply_is_skipped_with_its_reason(made, family, step, reason):
    paths = made[family]
    run(params_of(paths, step, QUANTIZE), paths, "tried")
    assert read_json(paths.model("tried") / "skipped.json") == {"reason": reason}
    shutil.rmtree(paths.model("tried"))
