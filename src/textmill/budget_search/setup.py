"""From params.yaml to a study of recipes: here configuration stops."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from textmill import tracking
from textmill.artifacts import read_table
from textmill.budget_search.objective import OBJECTIVES, explain_unfit
from textmill.budget_search.space import RecipeSpace, name_steps, tell
from textmill.budget_search.workshop import Workshop
from textmill.compression.builders import CODE, build_recovery, made_of
from textmill.config import Params
from textmill.config.compression_search import Settings
from textmill.errors import UserError
from textmill.evaluation.case import Settings as EvaluationSettings
from textmill.evaluation.selection import REFERENCE, Budget
from textmill.paths import Paths
from textmill.search.study import StudySettings

# What decides a trial's figures, beside the code that makes a recipe.
MEASURING_CODE = ("budget_search/workshop.py", "evaluation", "tasks.py")
# What decides which trials there are.
CHOOSING_CODE = (
    "budget_search/objective.py",
    "budget_search/setup.py",
    "budget_search/space.py",
    "search/points.py",
    "search/samplers.py",
    "search/space.py",
)
SECTION = "compress.search"


class NothingToCompress(UserError):
    """There is no full model, or no recipe of the space applies to it."""


def making(params: Params, paths: Paths) -> dict[str, Any]:
    """What decides a recipe's figures, with the key that names the folder of what was made and measured."""
    declared = {
        "seed": params.seed,
        "task": params.task,
        "training": params.training.model_dump(),
        "evaluate": params.evaluate.model_dump(include={"latency_documents", "latency_threads", "throughput_batch"}),
    }
    inputs = [*made_of(paths.model(REFERENCE)), paths.tokens, paths.split("validation")]
    return tracking.lineage("compress-search", declared, [*CODE, *MEASURING_CODE], inputs)


def study_settings(
    params: Params, paths: Paths, made: dict[str, Any], space: RecipeSpace, budget: Budget
) -> StudySettings:
    """The study of this space under this budget.

    Args:
        made: see `making`.
    """
    recipes = [list(names) for names in space.recipes]
    searched = {"sampler": params.compress.search.sampler, "steps": space.steps, "recipes": recipes}
    declared = tracking.lineage(
        "compress-study", {"making": made["key"], "search": searched, "budget": asdict(budget)}, CHOOSING_CODE, []
    )
    return StudySettings(
        name=f"{params.project}-compress-{declared['key'][:12]}",
        storage=f"sqlite:///{paths.study_database}",
        sampler=params.compress.search.sampler,
        pruner="none",
        seed=params.seed,
        num_reports=1,
        objectives=OBJECTIVES,
        declared=declared,
    )


def build_workshop(params: Params, paths: Paths, made: dict[str, Any], space: RecipeSpace) -> Workshop:
    """Args:
    made: see `making`.
    """
    full = paths.model(REFERENCE)

    def lineage(steps: list[Settings]) -> dict[str, Any]:
        declared = {"seed": params.seed, "recipe": {"from": REFERENCE, "steps": steps}}
        declared["training"] = params.training.model_dump()
        return tracking.lineage("compress", declared, CODE, [*made_of(full), paths.tokens])

    return Workshop(
        folder=paths.budget_search / made["key"][:16],
        full=full,
        build_recovery=lambda parent, checkpoints: build_recovery(params, paths, parent, checkpoints),
        lineage=lineage,
        documents=read_table(paths.split("validation")),
        settings=EvaluationSettings(**params.evaluate.model_dump(), seed=params.seed),
        shared=_shared(space),
    )


def check_there(paths: Paths) -> None:
    """Raises: NothingToCompress: the full model, or what it is measured and trained on, is missing."""
    full, needed = paths.model(REFERENCE), (paths.tokens / "tokens.json", paths.split("validation"))
    if (full / "bundle/bundle.json").exists() and not (full / "torch").exists():
        raise NothingToCompress(
            "models/full is the TF-IDF baseline (model.family: baseline), of which no recipe makes anything smaller: "
            "set model.family to another, and run `dvc repro compress@full`."
        )
    for file in (full / "torch/model.json", full / "bundle/bundle.json", *needed):
        if not file.exists():
            raise NothingToCompress(
                f"{file.relative_to(paths.root)} is missing: the search compresses the full model, and measures it on "
                "validation. `dvc repro compress@full` makes what is missing; after a stage that failed, `dvc "
                "checkout` brings the previous outputs back from DVC's cache."
            )


def applicable(space: RecipeSpace, workshop: Workshop, say: Callable[[str], None]) -> RecipeSpace:
    """The recipes that apply to the full model; of the others the reason is said.

    Raises: NothingToCompress: none does.
    """
    reasons: dict[tuple[str, ...], str] = {}
    for names, values in zip(space.recipes, space.first(), strict=True):
        if reason := explain_unfit(space.steps_of(values), workshop):
            reasons[names] = reason
    if len(reasons) == len(space.recipes):
        raise NothingToCompress(
            f"No recipe of {SECTION}.space.recipes applies to models/full: {_join(reasons)}. Add one that does."
        )
    if reasons:
        say(f"Left out: {_join(reasons)}.")
    return RecipeSpace(space.steps, [names for names in space.recipes if names not in reasons])


def _join(reasons: Mapping[tuple[str, ...], str]) -> str:
    return "; ".join(f"{tell(names)} ({reason})" for names, reason in reasons.items())


def _shared(space: RecipeSpace) -> frozenset[str]:
    """Beginnings that two or more of the recipes have in common, at their defaults."""
    found: list[str] = []
    for values in space.first():
        steps = space.steps_of(values)
        found += [name_steps(steps[:length]) for length in range(1, len(steps) + 1)]
    return frozenset(name for name in found if found.count(name) > 1)
