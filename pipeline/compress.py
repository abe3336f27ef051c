"""Make one variant by its recipe: `python -m pipeline.compress NAME`.

A recipe whose methods do not apply to the active family makes none, and says why.

Reads:  models/PARENT, data/tokens, data/splits
Writes: models/NAME (bundle/, and torch/ unless the recipe ends on ONNX; or skipped.json); its run in MLflow
Params: project, seed, training, compress.recipes.NAME
"""

import shutil
import sys
from typing import Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import read_json, size_mb
from textmill.compression.builders import CODE, build_recovery, describe, made_of, steps_of


def run(params: Params, paths: Paths, name: str) -> None:
    from textmill.compression.recipes import run_recipe, why_not
    from textmill.compression.sealing import adopt_bundle
    from textmill.compression.skipping import write_skipped

    recipe = params.compress.recipes[name]
    steps, parent = steps_of(recipe), paths.model(recipe.parent)
    if reason := why_not(steps, parent):
        write_skipped(paths.model(name), reason)
        print(f"compress: {name} is skipped: {reason}")
        return
    declared = {
        "seed": params.seed,
        "recipe": recipe.model_dump(by_alias=True),
        "training": params.training.model_dump(),
    }
    lineage = tracking.lineage("compress", declared, CODE, [*made_of(parent), paths.tokens])
    checkpoints = paths.checkpoints(lineage["key"])
    description = describe(parent)
    with (
        alone(paths, "compress"),
        tracking.model_run(
            paths, params.project, name, lineage["key"], parent_key=description["lineage"]["key"]
        ) as active,
    ):
        tracking.log(params={"from": recipe.parent, "steps": [step.method for step in steps]})
        if steps or (parent / "torch").exists():
            recovery = build_recovery(params, paths, parent, checkpoints, tracking.lightning_logger(active))
            run_recipe(steps, parent, paths.model(name), recovery, lineage)
        else:
            adopt_bundle(parent, paths.model(name), lineage)
        size = size_mb(paths.bundle(name))
        evidence = paths.model(name) / "evidence.json"
        tracking.log(metrics={"size_mb": size, **_figures(read_json(evidence))}, artifacts=evidence, folder="compress")
    shutil.rmtree(checkpoints, ignore_errors=True)
    print(f"{name}: {' -> '.join([recipe.parent, *(step.method for step in steps), name])}, bundle of {size:.1f} MB")


def _figures(evidence: dict[str, Any]) -> dict[str, float]:
    """What MLflow compares of evidence.json; what was not measured is left out."""
    parity, agreement = evidence["parity"] or {}, evidence["agreement"] or {}
    figures = {
        "seconds_to_compress": evidence["seconds"],
        "parity_max_difference": parity.get("max_difference"),
        "parity_agreement": parity.get("agreement"),
        "agreement_with_parent": agreement.get("agreement"),
        "changed_from_parent": agreement.get("changed"),
    }
    return {name: float(value) for name, value in figures.items() if value is not None}


if __name__ == "__main__":
    main(run, *sys.argv[1:])
