"""Structured pruning: what matters least leaves the network for good, so that it is smaller and faster anywhere.

Attention heads, feed-forward units and width of BERT-like encoders, layers of any transformer, filters of a text_cnn,
hidden units of an LSTM, width of embeddings. At once, or gradually: measured, cut and trained in several rounds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textmill.compression.distillation.soft_targets import SoftTargets
from textmill.compression.draft import DoesNotApply, Draft
from textmill.compression.pruning.cut import Sizes, applicable, cut
from textmill.compression.pruning.importance import measure
from textmill.compression.pruning.rounds import Told, in_rounds
from textmill.compression.pruning.target import scaled_shares
from textmill.compression.recovery import Recovery
from textmill.models.depth import num_layers
from textmill.models.size import num_parameters
from textmill.training.objective import Loss

KINDS = ("layers", "heads", "feed_forward", "width", "filters", "hidden")


def prune(
    model: Any,
    recovery: Recovery,
    *,
    epochs: int,
    learning_rate: float,
    importance: str = "taylor",
    target: Mapping[str, float | None] | None = None,
    rounds: int = 1,
    soft_weight: float = 0.0,
    temperature: float | None = None,
    **shares: float,
) -> Draft:
    """Remove shares of the parts in `KINDS`, then train to recover, in one round or several.

    After round r of R, r/R of each share is gone. A round has `epochs` of training, with the whole course of the
    learning rate, and begins with the best weights of the one before.

    Args:
        importance: taylor, magnitude or, for layers only, similarity.
        target: share of the parent's `parameters` or `latency` to keep; `shares` are then the most that may go.
        soft_weight: of the parent's logits in the loss, softened by `temperature`.

    Raises:
        DoesNotApply: an earlier step of the recipe has made a model without such parts.
        UnreachableTarget: the shares do not reach the target.
    """
    asked = {kind: shares[kind] for kind in KINDS if shares.get(kind)}
    assert asked and set(shares) <= {*KINDS}, shares
    if reason := unfit(model, asked):
        raise DoesNotApply(
            f"compress.recipes: {reason} does not apply to {model.family}, which the steps before it have made. "
            "Leave it out, or put it before them."
        )
    course = {"rounds": rounds, "epochs": epochs, "learning_rate": learning_rate}
    taught = {"soft_weight": soft_weight, "temperature": temperature}
    settings = {"shares": asked, "importance": importance, "target": target and dict(target), **course, **taught}
    size = num_parameters(model)
    loss = _loss(model, recovery, soft_weight, temperature)

    def cut_some(model: Any, number: int, told: Told) -> tuple[Any, Told]:
        scores = measure(model, [*asked], importance, recovery.data, recovery.settings.seed)
        if told:
            sizes, scaled, left = Sizes(told["sizes"]), told["shares"], told["left"]
        else:
            sizes, scaled, left = Sizes.read(model, [*asked]), asked, None
            if target is not None:
                scaled, left = scaled_shares(model, asked, target, sizes, scores, recovery.data)
        now = {kind: share * number / rounds for kind, share in scaled.items()}
        model, sizes = cut(model, sizes, now, scores)
        return model, {"sizes": sizes.of, "shares": scaled, "left": left}

    def train(model: Any, folder: Path) -> None:
        recovery.train(model, folder, epochs=epochs, learning_rate=learning_rate, loss=loss, progress="prune")

    model, told = in_rounds(model, recovery.checkpoints, rounds, settings, cut_some, train)
    notes = {"parameters": {"before": size, "after": num_parameters(model)}, "kept": _kept(model, [*asked])}
    if target is not None:
        notes["shares"] = told["shares"]
        notes["left_when_found"] = told["left"]
    return Draft(model, recovery.data, notes)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model; None if all of it does."""
    if hasattr(model, "members"):
        return "prune"
    known = applicable(model)
    unknown = [kind for kind in KINDS if settings.get(kind) and kind not in known]
    return f"prune of {' and '.join(unknown)}" if unknown else None


def _loss(parent: Any, recovery: Recovery, soft_weight: float, temperature: float | None) -> Loss | None:
    """Against the parent's logits and the labels; None, the task's own, where these have no weight."""
    if soft_weight == 0:
        return None
    data = recovery.data
    logits_NC = recovery.answers_of(parent, data.train).logits_NC
    return SoftTargets(data.task, logits_NC, recovery.loss(), temperature or 1.0, soft_weight)


def _kept(model: Any, kinds: list[str]) -> dict[str, Any]:
    """Units of each kind that are left, by group; the number of layers."""
    sizes = Sizes.read(model, kinds).of
    return {kind: num_layers(model) if kind == "layers" else counts for kind, counts in sizes.items()}
