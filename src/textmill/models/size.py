"""How large a network is."""

from torch import nn


def num_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def parameters_mb(model: nn.Module) -> float:
    """Of all parameters in float32, in units of 1e6 bytes."""
    return 4e-6 * num_parameters(model)
