"""How much a network would lose by each of its units and layers.

taylor: what the loss of a document would change, to first order, if a unit's output were zero or a layer gave on what
it is given: the derivative by a gate of one in that place. Molchanov et al. 2017 (https://arxiv.org/abs/1611.06440),
for heads Michel et al. 2019 (https://arxiv.org/abs/1905.10650). The derivative by the gate is the sum of weight x
gradient over the weights that the gate would scale (Molchanov et al. 2019, https://arxiv.org/abs/1906.10771).
magnitude: the length of the vector of all weights of a unit or layer; no documents are needed.
similarity: of layers, 1 - the mean cosine of what goes in and what comes out (block influence; Men et al. 2024,
https://arxiv.org/abs/2403.03853).

Shape suffixes: W windows of a document, T tokens, D hidden size, U units.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.data.batches import Batch, train_batches
from textmill.models.encoder_parts import find_blocks
from textmill.models.units import Units
from textmill.training.dataset import TrainingData
from textmill.training.lit_module import document_logits
from textmill.training.objective import build_loss

NUM_DOCUMENTS = 512  # of the train split that are looked at; the ranking is stable from a few hundred

Scores = dict[str, list[Tensor]]  # of each kind, for each group, float32 [U]; layers are one group


def measure(model: Any, kinds: Sequence[str], importance: str, data: TrainingData, seed: int) -> Scores:
    """Importance of the units of `prunable()` and, as kind `layers`, of a transformer's layers.

    Args:
        importance: taylor, magnitude or similarity.
        seed: draws the documents.
    """
    if importance == "magnitude":
        return _magnitude(model, kinds)
    if importance == "similarity":
        assert list(kinds) == ["layers"], "units have no input of their own to resemble"
        return {"layers": [_block_influence(model, data, seed)]}
    return _taylor(model, kinds, data, seed)


class _Pass(NamedTuple):
    """What a layer was given and what it gave."""

    input_WTD: Tensor
    output_WTD: Tensor


def _taylor(model: Any, kinds: Sequence[str], data: TrainingData, seed: int) -> Scores:
    """Sums over documents of |derivative by the gate|, of the task's own loss."""
    groups: dict[str, list[Units]] = {kind: model.prunable()[kind] for kind in kinds if kind != "layers"}
    scores = {kind: [torch.zeros(len(units)) for units in of_kind] for kind, of_kind in groups.items()}
    blocks = find_blocks(model.encoder) if "layers" in kinds else []
    of_layers = torch.zeros(len(blocks))
    every_gate = [gate.parameter for of_kind in groups.values() for units in of_kind for gate in units.gates]
    gates = {id(parameter): parameter for parameter in every_gate}  # each once
    loss = build_loss(data.task, data.num_outputs, target=data.target)
    with _watching(blocks) as passes:
        for batch in _documents(model, data, seed):
            passes.clear()
            value = loss(document_logits(model, batch), batch)
            outputs = [one.output_WTD for one in passes]
            found = torch.autograd.grad(value, [*gates.values(), *outputs])
            products = {
                key: gate.detach() * gradient for (key, gate), gradient in zip(gates.items(), found, strict=False)
            }
            for kind, of_kind in groups.items():
                for units, total in zip(of_kind, scores[kind], strict=True):
                    parts = [gate.per_unit(products[id(gate.parameter)]) for gate in units.gates]
                    total += torch.stack(parts).sum(0).abs()
            for i, (one, gradient) in enumerate(zip(passes, found[len(gates) :], strict=True)):
                of_layers[i] += ((one.output_WTD - one.input_WTD).detach() * gradient).sum().abs()
    return {**scores, "layers": [of_layers]} if blocks else scores


@torch.no_grad()
def _magnitude(model: Any, kinds: Sequence[str]) -> Scores:
    scores: Scores = {}
    for kind in kinds:
        if kind == "layers":
            blocks = find_blocks(model.encoder)
            squares = [sum(p.square().sum() for p in block.parameters()) for block in blocks]
            scores[kind] = [torch.stack(squares).sqrt()]  # type: ignore[arg-type]
            continue
        scores[kind] = [
            torch.stack([place.per_unit(place.parameter.square()) for place in units.places]).sum(0).sqrt()
            for units in model.prunable()[kind]
        ]
    return scores


@torch.no_grad()
def _block_influence(model: Any, data: TrainingData, seed: int) -> Tensor:
    """1 - the mean over all tokens of the cosine of a layer's input and output, of each layer."""
    blocks = find_blocks(model.encoder)
    similarity, num_tokens = torch.zeros(len(blocks)), 0
    with _watching(blocks) as passes:
        for batch in _documents(model, data, seed):
            passes.clear()
            model(batch["input_ids_WT"], batch["attention_mask_WT"])
            mask_WT = batch["attention_mask_WT"].bool()
            num_tokens += int(mask_WT.sum())
            for i, one in enumerate(passes):
                similarity[i] += F.cosine_similarity(one.input_WTD, one.output_WTD, dim=-1)[mask_WT].sum()
    return 1 - similarity / num_tokens


def _documents(model: Any, data: TrainingData, seed: int) -> Iterator[Batch]:
    """Documents of the train split, one a batch: so the gradient is of one document."""
    model.eval().set_dropout(0.0)
    drawn = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:NUM_DOCUMENTS].numpy()
    yield from train_batches(data.train, data.pad_id, batch_size=1, seed=seed, indices=drawn)


@contextmanager
def _watching(blocks: Sequence[nn.Module]) -> Iterator[list[_Pass]]:
    """Collect what goes into each block and what comes out, in the order of computation."""
    passes: list[_Pass] = []

    def note(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        given = inputs[0] if inputs else named["hidden_states"]
        passes.append(_Pass(given, output[0] if isinstance(output, tuple) else output))

    hooks = [block.register_forward_hook(note, with_kwargs=True) for block in blocks]
    try:
        yield passes
    finally:
        for hook in hooks:
            hook.remove()
