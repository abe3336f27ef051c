"""The one class that runs a bundle.

Needs onnxruntime (or the engine that the bundle names), tokenizers and numpy, and no training library, so that it
starts in well under a second.

Shapes: N documents, C outputs (a logit a label, or one number), W windows of a batch, T tokens of the longest of them.
A document is one window, unless it is long and the model reads such documents in several (`long_documents`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textmill.bundle import InvalidBundle, read_manifest
from textmill.engines import Engine, EngineUnavailable, open_engine
from textmill.long_documents import CHARACTERS_PER_TOKEN, WindowEncoder
from textmill.tasks import Task

# Documents that are held as tokens, and sorted by length, at a time, and the characters that are read of them: some
# 50 bytes each while they are tokenized.
_MOST_DOCUMENTS = 4096
_MOST_CHARACTERS = 4_000_000
# Of a run of the model, padding included: what is computed of more no longer fits into the processor's caches. With
# windows of 256 tokens in float32, runs of 32 took 14 % longer than runs of 8.
_MOST_TOKENS = 2048

FloatArray = NDArray[np.float32]
Progress = Callable[[int], None] | None


class Prediction(NamedTuple):
    """single_label: the most probable label, and every label's calibrated probability in the bundle's order."""

    label: str
    probabilities: dict[str, float]


class LabelsPrediction(NamedTuple):
    """multi_label: the labels whose calibrated probability reaches their threshold, and every label's probability."""

    labels: list[str]
    probabilities: dict[str, float]


class ValuePrediction(NamedTuple):
    """regression: the number, in the unit of the data."""

    value: float


AnyPrediction = Prediction | LabelsPrediction | ValuePrediction


class Classifier:
    """Labels and probabilities of texts, or numbers, by the model of a bundle.

    A document sent alone is the reference: the quality of a model is measured so, and it is served so.
    In a batch, fp32 logits agree with it to 1e-4 (other summation order). Dynamically quantised models
    choose the scale of their activations from all that is in the batch, padding included, so that a
    document's answer depends on its company: on 1,280 movie reviews in batches of 32, probabilities of the
    fine-tuned int8 variants moved by up to 0.16, 99 in 100 by less than 0.1, and 1 to 2 in 100 labels changed.

    Attributes:
        task: single_label, multi_label or regression.
        labels: in the order of the logits; none for regression.
        thresholds: of each label, float64 [C] (multi_label); else None.
    """

    def __init__(self, manifest: dict[str, Any], tokenizer: Tokenizer, engine: Engine) -> None:
        self.manifest = manifest
        self.task: Task = manifest["task"]
        self.labels: list[str] = manifest["labels"]
        self.thresholds = None if manifest["thresholds"] is None else np.array(manifest["thresholds"], np.float64)
        self.max_length: int | None = manifest["max_length"]
        self.temperature: float = manifest["temperature"]
        self._pad_id: int = manifest["pad_id"]
        self._num_outputs = len(self.labels) or 1
        self._engine = engine
        self._needs_mask = "attention_mask" in engine.inputs
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._encoder = WindowEncoder(tokenizer, self.max_length, manifest["long_documents"])

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        threads: int | None = None,
        verify: bool = True,
        engine: Mapping[str, Any] | None = None,
    ) -> "Classifier":
        """Load the bundle in `folder`.

        Args:
            threads: CPU threads of one run of the model; None takes all cores.
            verify: compare the files with their sha256 first (about 1 ms per 2 MB).
            engine: another one than the manifest names, such as `{"name": "openvino", "precision": "bfloat16"}`. The
                temperature and thresholds stay those of the manifest's.

        Raises: InvalidBundle; EngineUnavailable.
        """
        manifest = read_manifest(folder, verify=verify)
        try:
            opened = open_engine(folder / "model.onnx", engine or manifest["engine"], threads)
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except EngineUnavailable:
            raise
        except Exception as error:  # both libraries raise their own, undocumented classes
            raise InvalidBundle(
                f"{folder} cannot be loaded by onnxruntime {version('onnxruntime')} and tokenizers "
                f"{version('tokenizers')} (it was made with {manifest['tool_versions']}): {error}"
            ) from None
        return cls(manifest, tokenizer, opened)

    def predict(self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None) -> Sequence[Any]:
        """What the task asks of each text: `Prediction`, `LabelsPrediction` or `ValuePrediction`.

        See `predict_logits` for the arguments.
        """
        if self.task == "regression":
            return [ValuePrediction(value) for value in self.predict_values(texts, batch_size, progress).tolist()]
        probabilities_NC = self.predict_proba(texts, batch_size, progress)
        named_N = [dict(zip(self.labels, row, strict=True)) for row in probabilities_NC.tolist()]
        if self.task == "single_label":
            best_N = [self.labels[i] for i in probabilities_NC.argmax(axis=1)]
            return [Prediction(*pair) for pair in zip(best_N, named_N, strict=True)]
        assert self.thresholds is not None
        given_N = [[self.labels[i] for i in np.flatnonzero(row)] for row in probabilities_NC >= self.thresholds]
        return [LabelsPrediction(*pair) for pair in zip(given_N, named_N, strict=True)]

    def predict_proba(self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None) -> FloatArray:
        """Calibrated probabilities [N, C] of labels: softmax(logits / temperature), with multi_label sigmoid.

        See `predict_logits` for the arguments.
        """
        assert self.task != "regression", "numbers have no probabilities: predict_values"
        scaled_NC = self.predict_logits(texts, batch_size, progress) / np.float32(self.temperature)
        if self.task == "multi_label":
            return np.asarray(np.exp(-np.logaddexp(np.float32(0), -scaled_NC)))
        exponentials_NC = np.exp(scaled_NC - scaled_NC.max(axis=1, keepdims=True))
        probabilities_NC: FloatArray = exponentials_NC / exponentials_NC.sum(axis=1, keepdims=True)
        return probabilities_NC

    def predict_values(
        self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None
    ) -> NDArray[np.float64]:
        """The numbers of a regression, float64 [N]: logit * std + mean of the target.

        See `predict_logits` for the arguments.
        """
        assert self.task == "regression", f"{self.task} has probabilities: predict_proba"
        target = self.manifest["target"]
        logits_N = self.predict_logits(texts, batch_size, progress)[:, 0].astype(np.float64)
        return np.asarray(logits_N * target["std"] + target["mean"])

    def predict_logits(self, texts: Sequence[str], batch_size: int = 32, progress: Progress = None) -> FloatArray:
        """Logits [N, C] before calibration; an empty text is a document like any other.

        Args:
            batch_size: most windows that share a run of the model, of long ones fewer do; 1 is the reference.
            progress: called with the number of documents just finished.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, not one text")
        parts = [self.logits_of_ids(self.encode(part), batch_size, progress) for part in self._in_parts(texts)]
        return np.concatenate([np.empty((0, self._num_outputs), np.float32), *parts])

    def logits_of_ids(
        self,
        documents: Sequence[Sequence[NDArray[np.integer[Any]] | list[int]]],
        batch_size: int = 32,
        progress: Progress = None,
    ) -> FloatArray:
        """Logits [N, C] of tokenized documents, each a list of windows of token ids; a document's are averaged."""
        counts_N = np.array([len(windows) for windows in documents], dtype=np.int64)
        windows = [window for document in documents for window in document]
        document_W = np.repeat(np.arange(len(documents)), counts_N)
        total_NC = np.zeros((len(documents), self._num_outputs), dtype=np.float32)
        left_N = counts_N.copy()
        for chosen_W in batches_of([len(window) for window in windows], batch_size):
            touched_W = document_W[chosen_W]
            np.add.at(total_NC, touched_W, self._run([windows[i] for i in chosen_W]))
            np.subtract.at(left_N, touched_W, 1)
            if progress and (num_finished := int(np.count_nonzero(left_N[np.unique(touched_W)] == 0))):
                progress(num_finished)
        return np.asarray(total_NC / counts_N[:, None].astype(np.float32))

    def _run(self, windows: Sequence[Any]) -> FloatArray:
        """Logits [W, C] of windows of token ids."""
        lengths_W = np.array([len(window) for window in windows], dtype=np.int64)
        width = max(1, int(lengths_W.max()))
        ids_WT = np.full((len(windows), width), self._pad_id, dtype=np.int64)
        for row_T, window in zip(ids_WT, windows, strict=True):
            row_T[: len(window)] = window
        feeds = {"input_ids": ids_WT}
        if self._needs_mask:
            feeds["attention_mask"] = (np.arange(width) < lengths_W[:, None]).astype(np.int64)
        return self._engine.run(feeds)

    def encode(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """The windows of each text that the model reads, special tokens included: those of data/tokens."""
        return self._encoder.encode(texts)[0]

    def _in_parts(self, texts: Sequence[str]) -> Iterator[Sequence[str]]:
        """The texts in runs of so few that what is held of them is bounded, however many or long they are."""
        needed = self._encoder.plan.needed
        most_read = None if needed is None else CHARACTERS_PER_TOKEN * sum(needed)
        first = characters = 0
        for i, text in enumerate(texts):
            read = len(text) if most_read is None else min(len(text), most_read)
            if i - first == _MOST_DOCUMENTS or (i > first and characters + read > _MOST_CHARACTERS):
                yield texts[first:i]
                first, characters = i, 0
            characters += read
        if first < len(texts):
            yield texts[first:]


def batches_of(lengths: Sequence[int], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Which windows share a run: of like length, so that there is little padding; at most `batch_size` of them."""
    lengths_W = np.array(lengths, dtype=np.int64)
    order_W = np.argsort(lengths_W, kind="stable")
    first = 0
    for last, length in enumerate(lengths_W[order_W].tolist()):
        size = last - first + 1
        if size > batch_size or (size > 1 and size * length > _MOST_TOKENS):
            yield order_W[first:last]
            first = last
    if first < len(order_W):
        yield order_W[first:]
