"""A bundle and the one class that runs it: what is evaluated, registered and served, the same bytes.

Needs onnxruntime, tokenizers and numpy, and no training library, so that it starts in well under a second.

Shapes: N documents, C classes, B documents of a batch, T tokens of its longest document.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textmill.errors import UserError

FORMAT_VERSION = 2
MANIFEST = "bundle.json"
_TOOLS = ("onnx", "onnxruntime", "tokenizers")
_WINDOW = 4096  # documents held as tokens, and sorted by length, at a time
_CHARACTERS_PER_TOKEN = 12  # English has 4 to 6, white space included

FloatArray = NDArray[np.float32]
Progress = Callable[[int], None] | None


class InvalidBundle(UserError):
    """A bundle is missing, of another format, or not the bytes that were written."""


class Prediction(NamedTuple):
    """The most probable label, and every label's calibrated probability in the bundle's order."""

    label: str
    probabilities: dict[str, float]


def write_bundle(
    folder: Path,
    *,
    family: str,
    task: str,
    labels: Sequence[str],
    thresholds: Sequence[float] | None,
    target: dict[str, float] | None,
    max_length: int | None,
    long_documents: dict[str, Any],
    pad_id: int,
    temperature: float,
    recipe: list[dict[str, Any]],
    parent: str | None,
    lineage: dict[str, Any],
) -> None:
    """Make a bundle of a folder that holds model.onnx and tokenizer.json: write bundle.json.

    The same arguments and files give the same bytes.

    Args:
        folder: every file in it becomes part of the bundle, with its sha256.
        task: single_label, multi_label or regression.
        labels: display names in the order of the logits; none for regression.
        thresholds: multi_label: the probability from which on a document has each label.
        target: regression: the number that a document gets is logit * std + mean.
        max_length: tokens kept of a document (of a window of it), special tokens included; None keeps all.
        long_documents: strategy, head_share, overlap and max_windows, as in params.yaml.
        pad_id: fills the shorter documents of a batch.
        temperature: what the logits are divided by before softmax.
        recipe: the compression steps, as in params.yaml.
        parent: the model it was made from.
        lineage: what `tracking.lineage` returns.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    assert {"model.onnx", "tokenizer.json"} <= {path.name for path in files}, f"{folder} holds {files}"
    assert len(set(labels)) == len(labels) >= (0 if task == "regression" else 2)
    assert (thresholds is not None) == (task == "multi_label") and (target is not None) == (task == "regression")
    assert temperature > 0
    manifest = {
        "format_version": FORMAT_VERSION,
        "family": family,
        "task": task,
        "labels": list(labels),
        "thresholds": None if thresholds is None else [float(threshold) for threshold in thresholds],
        "target": target,
        "max_length": max_length,
        "long_documents": long_documents,
        "pad_id": pad_id,
        "temperature": float(temperature),
        "recipe": recipe,
        "parent": parent,
        "lineage": lineage,
        "tool_versions": {name: version(name) for name in _TOOLS},
        "files": {path.name: _sha256(path) for path in files},
    }
    temporary = folder / f".{MANIFEST}.writing"  # artifacts.write_json would need pandas
    temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(folder / MANIFEST)


def read_manifest(folder: Path, *, verify: bool = True) -> dict[str, Any]:
    """Read bundle.json; with `verify`, compare every file with its sha256.

    Raises: InvalidBundle.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidBundle(
            f"{folder} is not a bundle: it has no {MANIFEST}. `dvc repro` makes bundles under models/NAME/bundle; "
            "after a stage that failed, `dvc checkout` brings the previous ones back."
        ) from None
    except ValueError as error:
        raise InvalidBundle(f"{folder / MANIFEST} is not JSON ({error}). Make or fetch the bundle again.") from None
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    if found != FORMAT_VERSION:
        raise InvalidBundle(
            f"{folder} has format_version {found}; this textmill reads {FORMAT_VERSION}. "
            "Use the textmill version that made it, or make the bundle again with `dvc repro`."
        )
    for name, expected in manifest["files"].items() if verify else ():
        if not (folder / name).is_file() or _sha256(folder / name) != expected:
            raise InvalidBundle(
                f"{folder / name} is missing, or not the file that was bundled: {MANIFEST} says sha256 "
                f"{expected[:12]}... A bundle must not be edited; make or fetch it again."
            )
    return manifest


class Classifier:
    """Labels and probabilities of texts, by the model of a bundle.

    A document sent alone is the reference: the quality of a model is measured so, and it is served so.
    In a batch, fp32 logits agree with it to 1e-4 (other summation order). Dynamically quantised models
    choose the scale of their activations from all that is in the batch, padding included, so that a
    document's answer depends on its company: on 1,280 movie reviews in batches of 32, probabilities of the
    fine-tuned int8 variants moved by up to 0.16, 99 in 100 by less than 0.1, and 1 to 2 in 100 labels changed.
    """

    def __init__(self, manifest: dict[str, Any], tokenizer: Tokenizer, session: onnxruntime.InferenceSession) -> None:
        self.manifest = manifest
        self.labels: list[str] = manifest["labels"]
        self.max_length: int | None = manifest["max_length"]
        self.temperature: float = manifest["temperature"]
        self._pad_id: int = manifest["pad_id"]
        self._num_outputs = len(self.labels) or 1
        self._session = session
        self._needs_mask = "attention_mask" in {node.name for node in session.get_inputs()}
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        if self.max_length is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(self.max_length)

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None, verify: bool = True) -> "Classifier":
        """Load the bundle in `folder`.

        Args:
            threads: CPU threads of one run of the model; None takes all cores.
            verify: compare the files with their sha256 first (about 1 ms per 2 MB).

        Raises: InvalidBundle.
        """
        manifest = read_manifest(folder, verify=verify)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # both libraries raise their own, undocumented classes
            raise InvalidBundle(
                f"{folder} cannot be loaded by onnxruntime {onnxruntime.__version__} and tokenizers "
                f"{version('tokenizers')} (it was made with {manifest['tool_versions']}): {error}"
            ) from None
        return cls(manifest, tokenizer, session)

    def predict(self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None) -> list[Prediction]:
        """Label each text; see `predict_logits` for the arguments."""
        probabilities_NC = self.predict_proba(texts, batch_size, progress)
        return [
            Prediction(self.labels[int(row.argmax())], dict(zip(self.labels, row.tolist(), strict=True)))
            for row in probabilities_NC
        ]

    def predict_proba(self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None) -> FloatArray:
        """Calibrated probabilities [N, C], softmax(logits / temperature); see `predict_logits`."""
        scaled_NC = self.predict_logits(texts, batch_size, progress) / np.float32(self.temperature)
        exponentials_NC = np.exp(scaled_NC - scaled_NC.max(axis=1, keepdims=True))
        probabilities_NC: FloatArray = exponentials_NC / exponentials_NC.sum(axis=1, keepdims=True)
        return probabilities_NC

    def predict_logits(self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None) -> FloatArray:
        """Logits [N, C] before calibration; an empty text is a document like any other.

        Args:
            batch_size: documents that share a run of the model; 1 is the reference.
            progress: called with the number of documents just finished.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, not one text")
        starts = range(0, max(1, len(texts)), _WINDOW)
        windows = (self.encode(texts[start : start + _WINDOW]) for start in starts)
        return np.concatenate([self.logits_of_ids(window, batch_size, progress) for window in windows])

    def logits_of_ids(
        self,
        documents: Sequence[Sequence[NDArray[np.integer[Any]] | list[int]]],
        batch_size: int = 32,
        progress: Progress = None,
    ) -> FloatArray:
        """Logits [N, C] of tokenized documents, each a list of windows of token ids; a document's are averaged."""
        logits_NC = np.empty((len(documents), self._num_outputs), dtype=np.float32)
        widths_N = np.array([max(map(len, windows)) for windows in documents], dtype=np.int64)
        order_N = np.argsort(widths_N, kind="stable")  # documents of like length share a batch: little padding
        for start in range(0, len(documents), batch_size):
            chosen_B = order_N[start : start + batch_size]
            logits_NC[chosen_B] = self._run([documents[i] for i in chosen_B])
            if progress:
                progress(len(chosen_B))
        return logits_NC

    def _run(self, documents: Sequence[Sequence[Any]]) -> FloatArray:
        windows = [window for document in documents for window in document]
        lengths_W = np.array([len(window) for window in windows], dtype=np.int64)
        width = max(1, int(lengths_W.max()))
        ids_WT = np.full((len(windows), width), self._pad_id, dtype=np.int64)
        for row_T, window in zip(ids_WT, windows, strict=True):
            row_T[: len(window)] = window
        feeds = {"input_ids": ids_WT}
        if self._needs_mask:
            feeds["attention_mask"] = (np.arange(width) < lengths_W[:, None]).astype(np.int64)
        logits_WC: FloatArray = self._session.run(["logits"], feeds)[0]
        starts_B = np.cumsum([0, *(len(document) for document in documents[:-1])])
        if len(windows) == len(documents):
            return logits_WC
        counts_B = np.diff([*starts_B, len(windows)])
        return np.asarray(np.add.reduceat(logits_WC, starts_B) / counts_B[:, None], dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """The windows of each text, special tokens included, cut to max_length.

        A very long text is cut at a space before it is tokenized, which is several times faster and changes
        nothing: tokens do not reach across white space, and where the cut has too few of them, the whole
        text is tokenized.
        """
        if self.max_length is None:
            return [[encoding.ids] for encoding in self._tokenizer.encode_batch_fast(texts)]
        limit = _CHARACTERS_PER_TOKEN * self.max_length
        cut_texts = [text if len(text) <= limit else _cut_at_space(text, limit) for text in texts]
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(cut_texts)]
        short = [i for i, cut in enumerate(cut_texts) if len(cut) < len(texts[i]) and len(ids[i]) < self.max_length]
        for i, encoding in zip(short, self._tokenizer.encode_batch_fast([texts[i] for i in short]), strict=True):
            ids[i] = encoding.ids
        return [[window] for window in ids]


def _cut_at_space(text: str, limit: int) -> str:
    position = text.rfind(" ", 0, limit)
    return text[:position].rstrip() if position > 0 else text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
