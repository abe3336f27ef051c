"""Which words decided: gradients along the way from a document of masked words to the document itself.

Source: Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks (2017), as captum implements it, on the
token embeddings: the weights sum to the difference of the evidence of both ends.

Shapes: W windows of a document, T tokens of the longest, S steps, C outputs, K words.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from textmill.diagnosis.attribution import Attribution
from textmill.diagnosis.reading import Reading
from textmill.diagnosis.served import Decision, Served
from textmill.models.ensemble import Ensemble
from textmill.models.folder import load_model
from textmill.tasks import Task

_MASK_TOKENS = ("[MASK]", "<mask>")
_MOST_TOKENS = 2048  # of all steps that are computed at a time, which bounds memory


class IntegratedGradients:
    """Runs the PyTorch model that the served one was made from, with the served one's tokens."""

    def __init__(self, folder: Path, name: str, served: Served, num_steps: int = 16) -> None:
        """
        Args:
            folder: `torch/` of a model folder.
            name: what the method is called.

        Raises: MissingArtifact.
        """
        self.name = name
        self._served, self._num_steps = served, num_steps
        self._model, _ = load_model(folder)
        self._model.requires_grad_(False)  # of the embeddings' values only
        self._pad_id: int = served.classifier.manifest["pad_id"]
        tokenizer = served.reader.tokenizer
        masks = [tokenizer.token_to_id(token) for token in _MASK_TOKENS]
        # A token that pretraining taught to mean nothing, or else the one that fills up short documents.
        self._blank_id = next((mask for mask in masks if mask is not None), self._pad_id)

    def attribute(self, reading: Reading, decision: Decision) -> Attribution:
        """The sums of the weights of each word's tokens; at least one word. Special tokens are alike at both ends."""
        from captum.attr import LayerIntegratedGradients

        ids_1WT, blank_1WT, mask_1WT, words_WT = self._inputs(reading)
        with warnings.catch_warnings():  # of an ensemble: that no layer may hang on another, and none does
            warnings.simplefilter("ignore", UserWarning)
            method = LayerIntegratedGradients(self._evidence(decision.output), embedding_layers(self._model))
        num_windows, num_tokens = words_WT.shape
        found = method.attribute(
            ids_1WT,
            baselines=blank_1WT,
            additional_forward_args=(mask_1WT,),
            n_steps=self._num_steps,
            internal_batch_size=max(num_windows, _MOST_TOKENS // num_tokens),
        )
        weights_WT = sum(layer_WTD.sum(2) for layer_WTD in found).detach().double().numpy()
        real_WT = words_WT >= 0
        weights_K = np.bincount(words_WT[real_WT], weights_WT[real_WT], len(reading.spans)).astype(np.float64)
        return Attribution(np.arange(len(reading.spans)), weights_K)

    def ends(self, reading: Reading, decision: Decision) -> tuple[float, float]:
        """Evidence of the document of masked words, and of the document."""
        ids_1WT, blank_1WT, mask_1WT, _ = self._inputs(reading)
        evidence = self._evidence(decision.output)
        with torch.no_grad():
            return evidence(blank_1WT, mask_1WT).item(), evidence(ids_1WT, mask_1WT).item()

    def _inputs(self, reading: Reading) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
        """Token ids, the same with every word masked, and the mask [1, W, T]; the words of the tokens [W, T]."""
        width = max(1, *(len(ids_T) for ids_T in reading.windows))
        ids_WT = np.full((len(reading.windows), width), self._pad_id)
        words_WT = np.full(ids_WT.shape, -1)
        mask_WT = np.zeros(ids_WT.shape, np.int64)
        for row, (ids_T, words_T) in enumerate(zip(reading.windows, reading.words, strict=True)):
            ids_WT[row, : len(ids_T)], words_WT[row, : len(ids_T)], mask_WT[row, : len(ids_T)] = ids_T, words_T, 1
        blank_WT = np.where(words_WT >= 0, self._blank_id, ids_WT)
        ids, blank, mask = (torch.from_numpy(array)[None] for array in (ids_WT, blank_WT, mask_WT))
        return ids, blank, mask, words_WT

    def _evidence(self, output: int) -> Callable[[Tensor, Tensor], Tensor]:
        """What gives the evidence [S] of the windows [S, W, T] of steps, see `Served.evidence`.

        captum embeds the windows one after the other and puts the steps in front, so that both are one dimension here.
        """
        served, task = self._served, self._served.task

        def evidence(ids_SWT: Tensor, mask_SWT: Tensor) -> Tensor:
            logits = self._model(ids_SWT.flatten(0, 1), mask_SWT.flatten(0, 1))
            logits_SC = logits.unflatten(0, ids_SWT.shape[:2]).mean(1)
            if task == "regression":
                return logits_SC[:, 0] * served.std + served.mean
            return _evidence_of(logits_SC / served.classifier.temperature, output, task)

        return evidence


def _evidence_of(logits_SC: Tensor, output: int, task: Task) -> Tensor:
    """`served.evidence_of` of one output [S], for gradients."""
    if task == "multi_label":
        return logits_SC[:, output]
    others = [column for column in range(logits_SC.shape[1]) if column != output]
    return logits_SC[:, output] - logits_SC[:, others].logsumexp(1)


def embedding_layers(model: Any) -> list[nn.Module]:
    """The token embeddings of a model of any family; those of each member of an ensemble."""
    if isinstance(model, Ensemble):
        return [layer for member in model.members for layer in embedding_layers(member)]
    return [model.encoder.get_input_embeddings() if hasattr(model, "encoder") else model.embeddings]
