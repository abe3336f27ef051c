"""Fewer layers: a transformer that has only some of another one's blocks.

The new encoder is built from a config of fewer layers and takes over the weights, so that what is saved is what a
config describes, whatever the architecture.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from textmill.errors import UserError
from textmill.models.encoder_parts import find_blocks
from textmill.models.transformer import Transformer


class InseparableLayers(UserError):
    """An encoder's layers cannot be taken out one by one."""


def num_layers(model: Any) -> int | None:
    """Layers of a transformer, each with weights of its own; None if it has no such layers, like an LSTM or ALBERT."""
    encoder = getattr(model, "encoder", None)
    if encoder is None:
        return None
    depth = len(find_blocks(encoder))
    return depth if depth == getattr(encoder.config, "num_hidden_layers", None) else None


def keep_layers(model: Any, kept: Sequence[int]) -> Any:
    """A copy of a transformer that has only the layers with these indices, in their order.

    Everything else (embeddings, what follows the last layer, head, numbers of heads and feed-forward units of each
    layer) is as it was.

    Args:
        kept: ascending, each at least 0 and below `num_layers(model)`.

    Raises: InseparableLayers.
    """
    depth = num_layers(model)
    if depth is None:
        raise _inseparable(model)
    assert kept, "no layer is kept"
    assert list(kept) == sorted({*kept} & {*range(depth)}), f"{kept} of {depth} layers"
    try:
        smaller = Transformer.from_architecture(fewer_layers(model, kept))
        smaller.load_state_dict(_state(model, smaller, kept))
    except Exception as error:  # of a config's own checks, or tensors that do not fit
        raise _inseparable(model) from error
    return smaller.train(model.training)


def fewer_layers(model: Any, kept: Sequence[int]) -> dict[str, Any]:
    """What `from_architecture` needs for a transformer of those layers."""
    config, depth = model.encoder.config, num_layers(model)
    architecture: dict[str, Any] = copy.deepcopy(model.architecture())
    values = architecture["config"]
    values[config.attribute_map.get("num_hidden_layers", "num_hidden_layers")] = len(kept)
    for key, value in config.to_dict().items():  # such as layer_types, of one entry a layer
        if "layer" in key and isinstance(value, list | tuple) and len(value) == depth:
            values[key] = [value[i] for i in kept]
    if "layers" in architecture:
        architecture["layers"] = [architecture["layers"][i] for i in kept]
    return architecture


def _state(model: Any, smaller: Any, kept: Sequence[int]) -> dict[str, torch.Tensor]:
    """The weights of `model` under the names of `smaller`.

    Of what only the lowest layer does without (ModernBERT's first norm), the weights of the layer that becomes the
    lowest are left out.
    """
    old, new = (_prefixes(one) for one in (model, smaller))
    origin = {new[place]: old[i] for place, i in enumerate(kept)}
    given, state = model.state_dict(), {}
    for name in smaller.state_dict():
        prefix = next((prefix for prefix in origin if name.startswith(prefix)), "")
        state[name] = given[origin.get(prefix, "") + name.removeprefix(prefix)]
    return state


def _prefixes(model: Any) -> list[str]:
    """Names of the layers, first to last, each with a dot behind."""
    names = {id(module): name for name, module in model.named_modules()}
    return [f"{names[id(block)]}." for block in find_blocks(model.encoder)]


def _inseparable(model: Any) -> InseparableLayers:
    kind = f"transformer of model_type {model.encoder.config.model_type}" if hasattr(model, "encoder") else model.family
    return InseparableLayers(
        f"compress.recipes: layers cannot be taken out of a {kind}: it has none, or they share weights. Leave the "
        "step out, or use a student of another family."
    )
