"""What a variant can show for itself: that its graph is its network, that it answers as its parent does, and where its
bytes are.

Shapes: N documents of the validation split, S of them that are looked at one by one, C outputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from textmill.artifacts import write_json
from textmill.bundle import MANIFEST, add_evidence, read_manifest
from textmill.compression.feeds import feed_of, spread
from textmill.compression.graph_parts import measure_parts
from textmill.models.folder import load_model
from textmill.training.dataset import TrainingData

FILE = "evidence.json"
_ANSWERS = "validation.npy"
_SAMPLE = 64  # documents that PyTorch answers: what it differs by shows in few of them
_DIGITS = 3  # of a difference of logits; what is behind them is the order of summation

FloatArray = NDArray[np.float32]


def write_evidence(folder: Path, figures: dict[str, Any], **told: Any) -> None:
    """Write evidence.json of a model folder, and the figures into its bundle's manifest.

    Args:
        figures: those of `compare`.
        told: what is not the same when it is made again, such as times: of evidence.json only.
    """
    add_evidence(folder / "bundle", figures)
    write_json(folder / FILE, {**told, **figures})


def keep_answers(folder: Path, logits_NC: FloatArray) -> None:
    """Keep what the bundle of a model folder answers to the validation split, for the comparison with a child."""
    np.save(folder / _ANSWERS, logits_NC.astype(np.float32), allow_pickle=False)


def compare(
    bundle: Path, logits_NC: FloatArray, data: TrainingData, network: Any | None, parent: Path, parents: TrainingData
) -> dict[str, Any]:
    """The figures of a new bundle that are the same whenever it is made.

    Args:
        logits_NC: of the bundle on the validation split, each document alone.
        data: what the bundle reads.
        network: what its graph was made from, in PyTorch; None where there is none.
        parent: model folder.
        parents: what the parent reads.

    Returns:
        parity: of the bundle with its network, None without one. agreement: of the bundle with its parent, None where
        the parent answered nothing (see `_compare` for both). bytes: see `measure_bytes`.
    """
    manifest = read_manifest(bundle, verify=False)
    parity = agreement = None
    if network is not None:
        rows = spread(len(data.validation), _SAMPLE)
        parity = _compare(manifest, logits_NC, manifest, _ask(network, data, rows), rows, data)
    if found := _answers_of(parent, parents, logits_NC.shape):
        rows, of_parent_SC = found
        described = parent / "bundle"
        of_parent = read_manifest(described, verify=False) if described.exists() else manifest
        agreement = _compare(manifest, logits_NC, of_parent, of_parent_SC, rows, data)
    return {"parity": parity, "agreement": agreement, "bytes": measure_bytes(bundle)}


def measure_bytes(bundle: Path) -> dict[str, int]:
    """Bytes of the weights of each part of the graph, of the rest of it (`other`), and of the bundle's other files."""
    rest = sum(file.stat().st_size for file in bundle.iterdir() if file.name not in ("model.onnx", MANIFEST))
    return {**measure_parts(bundle / "model.onnx"), "files": rest}


def _answers_of(
    parent: Path, data: TrainingData, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], FloatArray] | None:
    """Documents and the parent's logits of them: all that it kept, or a sample that its network is asked."""
    path = parent / _ANSWERS
    if path.exists():
        kept_NC = np.load(path, allow_pickle=False)
        if kept_NC.shape == shape:  # else data/tokens is another one now
            return np.arange(len(kept_NC)), kept_NC
    if not (parent / "torch").exists():
        return None
    network, _ = load_model(parent / "torch")
    rows = spread(len(data.validation), _SAMPLE)
    return rows, _ask(network, data, rows)


def _compare(
    manifest: dict[str, Any],
    logits_NC: FloatArray,
    others: dict[str, Any],
    others_SC: FloatArray,
    rows: NDArray[np.int64],
    data: TrainingData,
) -> dict[str, Any]:
    """num_documents; max_difference of a logit; agreement, the share of documents with the same answer; and changed.

    Also how the answers that are not the same divide: only_it_right, only_other_right; of the rest both are wrong. Of
    numbers no two answers are the same: all but the first two are None.

    Args:
        others: bundle.json by whose thresholds the other answers.
    """
    own_SC, labels_S = logits_NC[rows], np.asarray(data.validation.labels)[rows]
    figures: dict[str, Any] = {
        "num_documents": len(rows),
        "max_difference": float(f"{np.abs(own_SC - others_SC).max():.{_DIGITS}g}"),
        "agreement": None,
        "changed": None,
        "only_it_right": None,
        "only_other_right": None,
    }
    if data.task == "regression":
        return figures
    own_S, other_S = _decide(manifest, own_SC), _decide(others, others_SC)
    same_S, own_right_S, other_right_S = (
        _equal(a, b) for a, b in ((own_S, other_S), (own_S, labels_S), (other_S, labels_S))
    )
    return figures | {
        "agreement": float(same_S.mean()),
        "changed": int((~same_S).sum()),
        "only_it_right": int((own_right_S & ~other_right_S).sum()),
        "only_other_right": int((other_right_S & ~own_right_S).sum()),
    }


def _decide(manifest: dict[str, Any], logits_SC: FloatArray) -> NDArray[Any]:
    """The label's position [S], or for several of them ones and zeros [S, C], as the runtime decides."""
    if manifest["task"] == "single_label":
        return np.asarray(logits_SC.argmax(axis=1))
    probabilities_SC = expit(logits_SC / np.float32(manifest["temperature"]))
    return np.asarray(probabilities_SC >= np.array(manifest["thresholds"]), dtype=np.float32)


def _equal(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether answers are the same [S]; sets of labels are if all of them are."""
    return np.asarray(a == b if a.ndim == 1 else (a == b).all(axis=1))


def _ask(network: Any, data: TrainingData, rows: NDArray[np.int64]) -> FloatArray:
    """Logits [S, C] of a network in float32 on the CPU, each document alone; a document's windows are averaged."""
    network = network.to("cpu").eval()
    answers = []
    with torch.no_grad(), _one_thread():
        for row in rows.tolist():
            feeds = [feed_of(window, data.pad_id) for window in data.validation[row]]
            asked = [[torch.from_numpy(feed[name]) for name in ("input_ids", "attention_mask")] for feed in feeds]
            answers.append(torch.cat([network(*given) for given in asked]).mean(dim=0))
    return np.asarray(torch.stack(answers).float().numpy())


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch adds in another order on other numbers of threads, and what it differs by is in bundle.json."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
