"""The files of pretrained weights: whether they are there, may be read and are whole. Imports no torch."""

from pathlib import Path

from textmill.artifacts import read_json
from textmill.errors import UserError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class UnusableWeights(UserError):
    """The weights folder does not hold an encoder that transformers can load."""


def check_files(folder: Path) -> None:
    """Raises: UnusableWeights: there are no safetensors, or damaged ones."""
    if any(folder.glob("*.safetensors")):
        check_whole(folder)
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise UnusableWeights(
            f"model.weights: {folder} has its weights only as a pickle ({pickles[0]}), and reading a pickle can run "
            "any code. Take a revision with model.safetensors, or convert it where you trust it: "
            "AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)."
        )
    raise UnusableWeights(f"model.weights: {folder} has no model.safetensors. Fetch the weights anew.")


def check_whole(folder: Path) -> None:
    """See that each safetensors file is as long as its header says, and that no part of several is missing.

    No tensor is read: it takes milliseconds, however large the weights are. A folder without any is as it should be,
    for those who use its tokenizer only.

    Raises: UnusableWeights.
    """
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise UnusableWeights(
                f"model.weights: {path} is damaged or cut short: {error}. Fetch the weights anew; where Git has put a "
                "pointer in place of the file, `git lfs pull` fetches it."
            ) from None
    for index in sorted(folder.glob("*.safetensors.index.json")):
        named = read_json(index).get("weight_map", {}).values()
        missing = sorted(name for name in set(named) if not (folder / name).is_file())
        if missing:
            raise UnusableWeights(
                f"model.weights: {index} names {', '.join(missing[:3])}, which is not there ({len(missing)} of "
                f"{len(set(named))} files missing). Fetch the weights anew."
            )
