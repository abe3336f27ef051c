"""Language modelling on the user's own text, before tune and train, where pretrain.objective asks for it.

Reads:  data/tokens, the weights; pretrain.source where it is given
Writes: models/pretrained (pretrained.json; where it is asked for encoder/ in the format of transformers, which tune and
    train start from, language_model/, the same with its head, and curves.csv); its run in MLflow
Params: project, seed, data.text, data.header, model, pretrain, training, train.checkpoint_minutes
"""

import shutil
from typing import Any

from pipeline import Params, Paths, alone, main
from textmill import tracking
from textmill.artifacts import atomic, write_json

CODE = [*tracking.TRAINING_CODE, "data/sources"]


def run(params: Params, paths: Paths) -> None:
    if params.pretrain.objective == "none":
        with atomic(paths.pretrained) as folder:
            folder.mkdir()
            write_json(folder / "pretrained.json", {"objective": "none"})
        return
    from textmill.training.pretraining import builders

    lineage = tracking.lineage("pretrain", builders.declared(params), CODE, [paths.tokens])
    with alone(paths, "pretrain"), tracking.model_run(paths, params.project, "pretrained", lineage["key"]) as active:
        _pretrain(params, paths, lineage, tracking.lightning_logger(active))


def _pretrain(params: Params, paths: Paths, lineage: dict[str, Any], logger: Any) -> None:
    import pandas as pd

    from textmill.training.pretraining import builders
    from textmill.training.pretraining.language_model import save_language_model
    from textmill.training.pretraining.run import pretrain

    chosen, checkpoints = params.pretrain, paths.checkpoints(lineage["key"])
    objective, model = builders.objective(params, paths), builders.untrained_model(params, paths)
    data, num_left_out = builders.read_data(params, paths, checkpoints)
    declared = lineage["params"]
    tracking.log(params={**declared["pretrain"], **declared["training"], "seed": params.seed})
    settings = builders.pretrain_settings(params)
    made = pretrain(model, objective, data, settings, chosen.learning_rate, checkpoints=checkpoints, logger=logger)
    before, after = made.perplexities
    record = {
        "objective": chosen.objective,
        "source": chosen.source,
        "num_documents": len(data.train),
        "num_tokens": len(data.train.ids),
        "num_left_out": num_left_out,
        "epochs": chosen.epochs,
        "steps": made.curves[-1]["step"],
        "perplexity_before": before,
        "perplexity": after,
        "lineage": lineage,
    }
    with atomic(paths.pretrained) as folder:
        folder.mkdir()
        save_language_model(model, paths.tokens, folder)
        pd.DataFrame(made.curves).to_csv(folder / "curves.csv", index=False)
        write_json(folder / "pretrained.json", record)
    tracking.log(metrics={"perplexity_before": before, "perplexity_after": after})
    shutil.rmtree(checkpoints)
    print(
        f"pretrain: {chosen.objective} on {len(data.train.ids):,} tokens, {chosen.epochs} epochs; perplexity on "
        f"validation {before:.1f} before, {after:.1f} after"
    )


if __name__ == "__main__":
    main(run)
