"""Structured pruning: attention heads and feed-forward units leave the network.

Importance is first-order: how much the loss would change if a unit's output were zero, |activation x gradient|
per document (Molchanov et al. 2017, https://arxiv.org/abs/1611.06440; for heads Michel et al. 2019,
https://arxiv.org/abs/1905.10650, whose norm per layer makes layers comparable).

Shape suffixes: B documents, T tokens, D width, H heads, F feed-forward units, X either of them, S size of one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from textmill.compression.draft import Draft
from textmill.compression.recovery import Recovery
from textmill.data.batches import train_batches
from textmill.models.bert_layers import is_bert_like, keep_feed_forward, keep_heads, num_heads
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit
from textmill.training.lit_module import document_logits
from textmill.training.objective import build_loss

NUM_DOCUMENTS = 512  # that importance is measured on; its ranking is stable from a few hundred


def prune(
    model: Any, recovery: Recovery, *, heads: float, feed_forward: float, epochs: int, learning_rate: float
) -> Draft:
    """Remove the least important shares of heads and feed-forward units, then train to recover.

    Shares are of all layers together: a layer that matters keeps more. Every layer keeps at least one of each.

    Raises:
        UnsupportedArchitecture: the model's layers are not BERT-like.
    """
    settings = recovery.settings
    head_scores, unit_scores = importance(
        model, recovery.data, settings.batch_size, settings.seed, batch_tokens=settings.batch_tokens
    )
    for layer, kept in zip(model.layers, most_important(head_scores, 1 - heads), strict=True):
        keep_heads(layer, kept)
    for layer, kept in zip(model.layers, most_important(unit_scores, 1 - feed_forward), strict=True):
        keep_feed_forward(layer, kept)
    fit(
        model,
        recovery.data,
        recovery.settings_for(epochs),
        replace(recovery.hyper, learning_rate=learning_rate),
        checkpoints=recovery.checkpoints / "prune",
        logger=recovery.logger,
        progress="prune",
    )
    return Draft(model, recovery.data)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model; None if all of it does."""
    return None if is_bert_like(getattr(model, "encoder", None)) else "prune"


def importance(
    model: Any, data: TrainingData, batch_size: int, seed: int, *, batch_tokens: int | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Importance of heads and of feed-forward units: per layer float32 [H] and [F], on documents of the train split.

    The loss is the task's own. Of a document in several windows, each window counts.
    """
    head_scores = [torch.zeros(num_heads(layer)) for layer in model.layers]
    unit_scores = [torch.zeros(layer.intermediate.dense.out_features) for layer in model.layers]
    hooks = []
    for layer, of_heads, of_units in zip(model.layers, head_scores, unit_scores, strict=True):
        hooks.append(_watch(layer.attention.output.dense, of_heads))
        hooks.append(_watch(layer.output.dense, of_units))
    model.eval().set_dropout(0.0)
    indices = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:NUM_DOCUMENTS].numpy()
    loss = build_loss(data.task, data.num_outputs, target=data.target)
    batches = train_batches(
        data.train, data.pad_id, batch_size=batch_size, seed=seed, batch_tokens=batch_tokens, indices=indices
    )
    try:
        for batch in batches:
            # The sum, not the mean, keeps each document's gradient its own.
            total = loss(document_logits(model, batch), batch) * len(batch["index_B"])
            total.backward()
            model.zero_grad(set_to_none=True)
    finally:
        for hook in hooks:
            hook.remove()
    return head_scores, unit_scores


def most_important(scores: list[Tensor], share: float) -> list[list[int]]:
    """Per layer, the indices to keep: the best `share` over all layers by norm-scaled score, at least one a layer."""
    scaled = [score / score.norm().clamp(min=1e-12) for score in scores]
    num_kept = max(len(scores), round(share * sum(len(score) for score in scores)))
    for score in scaled:
        score[score.argmax()] = torch.inf  # the one that each layer keeps
    chosen = torch.zeros(sum(len(score) for score in scores), dtype=torch.bool)
    chosen[torch.cat(scaled).topk(num_kept).indices] = True
    return [torch.nonzero(part).flatten().tolist() for part in chosen.split([len(score) for score in scores])]


def _watch(dense: nn.Module, scores: Tensor) -> Any:
    """Add to `scores` [H] or [F], at every backward pass, sum over documents of |sum of input x gradient|."""

    def before_forward(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # Detached: a hook that held the tensor it hangs on would be a cycle, and keep every batch in memory.
        states_BTD = inputs[0].detach()

        def on_gradient(gradient_BTD: Tensor) -> None:
            product_BTXS = (states_BTD * gradient_BTD).unflatten(-1, (len(scores), -1))
            scores.add_(product_BTXS.sum(dim=(1, 3)).abs().sum(0))

        inputs[0].register_hook(on_gradient)

    return dense.register_forward_pre_hook(before_forward)
