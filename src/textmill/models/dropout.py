"""Dropout that draws eight random numbers where PyTorch's draws one: for CPUs, where it took a tenth of a step."""

import torch
from torch import Tensor, nn

LEVELS = 256  # of the rate: 0.1 becomes 26/256


class ByteDropout(nn.Dropout):
    """nn.Dropout with one random byte an element, on a CPU; the rate is rounded to 1/256, and the mean is kept.

    Elsewhere, and where the rate rounds to 0 or 1, it is nn.Dropout itself.
    """

    def forward(self, input: Tensor) -> Tensor:
        threshold = round(self.p * LEVELS)
        if not self.training or input.device.type != "cpu" or not 0 < threshold < LEVELS:
            return super().forward(input)
        random = torch.empty((input.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = random.view(torch.uint8)[: input.numel()].view(input.shape) >= threshold
        # Scaled after the product: in bf16 a mask of the scale would be 0.3% off at a rate of 0.1.
        return (input * kept.to(input.dtype)).mul_(LEVELS / (LEVELS - threshold))


def use_byte_dropout(model: nn.Module) -> None:
    """Turn every nn.Dropout of the model into a ByteDropout, in place; rates and references to them stay."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = ByteDropout
