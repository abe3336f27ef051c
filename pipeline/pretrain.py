"""Language modelling on the user's own text, before tune and train, where pretrain.objective asks for it.

Reads: data/tokens, the weights; pretrain.source where it is given.
Writes: models/pretrained (pretrained.json; encoder/ in the format of transformers).
Params: project, seed, data.text, model, pretrain, training.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, write_json


def run(params: Params, paths: Paths) -> None:
    if params.pretrain.objective == "none":
        with atomic(paths.pretrained) as folder:
            folder.mkdir()
            write_json(folder / "pretrained.json", {"objective": "none"})
        return


if __name__ == "__main__":
    main(run)
