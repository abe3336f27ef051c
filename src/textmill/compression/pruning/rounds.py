"""Cut a little, train to recover, and again: what a killed recipe has done of it is not done twice."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textmill.artifacts import read_json
from textmill.models.folder import load_model, save_model
from textmill.training.checkpoints import UnusableCheckpoint

CUT, TRAINED = "cut", "trained"  # a round's networks
Told = Mapping[str, Any]  # what earlier rounds leave for later ones, as JSON


def in_rounds(
    model: Any,
    folder: Path,
    rounds: int,
    settings: Mapping[str, Any],
    cut: Callable[[Any, int, Told], tuple[Any, Told]],
    train: Callable[[Any, Path], None],
) -> tuple[Any, Told]:
    """Cut and train by turns. Each round's network is kept in `folder` when it is cut and when it is trained.

    Args:
        folder: of a step of a recipe; what is found there is taken up.
        settings: of the step, as JSON; what is found must have been made with the same.
        cut: takes the network, the round's number from 1 and what the round before told ({} at first); gives the
            smaller network and what it tells.
        train: takes the network, which it changes in place, and the folder of its own training state.

    Raises: UnusableCheckpoint.
    """
    told: Told = {}
    num_cut, found = _latest(folder, rounds)
    if found:
        model, told = _load(found, settings)
    for number in range(max(num_cut, 1), rounds + 1):
        own = folder / f"round-{number}"
        if number > num_cut:
            model, told = cut(model, number, told)
            save_model(own / CUT, model, {"settings": settings, "told": told})
        elif found and found.name == TRAINED:
            continue
        train(model, own)
        save_model(own / TRAINED, model, {"settings": settings, "told": told})
        shutil.rmtree(folder / f"round-{number - 1}", ignore_errors=True)
    return model, told


def _latest(folder: Path, rounds: int) -> tuple[int, Path | None]:
    """The number of rounds that are cut, and the network of the last of them, trained or not; 0 and None at first."""
    for number in range(rounds, 0, -1):
        for name in (TRAINED, CUT):
            if (folder / f"round-{number}" / name).exists():
                return number, folder / f"round-{number}" / name
    return 0, None


def _load(folder: Path, settings: Mapping[str, Any]) -> tuple[Any, Told]:
    """Raises: UnusableCheckpoint."""
    found = read_json(folder / "model.json")["settings"]
    if found != settings:
        raise UnusableCheckpoint(
            f"{folder} was made with other settings ({found}, not {settings}). Delete {folder.parent.parent} to prune "
            "from the beginning."
        )
    model, description = load_model(folder)
    return model, description["told"]
