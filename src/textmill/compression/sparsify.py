"""Unstructured pruning: the smallest weights of every matrix become zero, any of them or N:M.

Where this helps: the shape of the network stays, and onnxruntime and OpenVINO multiply zeros as they do other numbers,
so that neither the file nor the time changes on a CPU; the file packs better (zip, a container's layers). 2:4 is what
NVIDIA's sparse tensor cores, from Ampere on, compute faster, with a runtime that is built for them. For a smaller and
faster model anywhere, there is prune.

The schedule is the cubic one of Zhu, Gupta: To prune, or not to prune, 2017 (https://arxiv.org/abs/1710.01878): after
round r of R the share of zeros is s (1 - (1 - r/R)^3), most of them early, when most weights can be spared. N of M
weights: Mishra et al.: Accelerating Sparse Deep Neural Networks, 2021 (https://arxiv.org/abs/2104.08378).
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from textmill.compression.draft import Draft
from textmill.compression.pruning.rounds import Told, in_rounds
from textmill.compression.recovery import Recovery
from textmill.training.sparsity import HeldZeros


def sparsify(
    model: Any,
    recovery: Recovery,
    *,
    epochs: int,
    learning_rate: float,
    zeros: float | None = None,
    pattern: str | None = None,
    rounds: int = 1,
) -> Draft:
    """Set weights to zero and train the others, in one round or several of `epochs` each.

    Args:
        zeros: share of each matrix that becomes zero, embeddings included; or
        pattern: `N:M`: of every M weights beside each other among a unit's inputs, N stay. Matrices whose inputs are no
            multiple of M stay as they are.
    """
    assert (zeros is None) != (pattern is None)
    course = {"rounds": rounds, "epochs": epochs, "learning_rate": learning_rate}
    settings = {"zeros": zeros, "pattern": pattern, **course}
    before = _packed_mb(model)

    def cut(model: Any, number: int, told: Told) -> tuple[Any, Told]:
        progress = 1 - (1 - number / rounds) ** 3
        for _, weight_OI in _matrices(model):
            if pattern is None:
                assert zeros is not None
                clear_smallest(weight_OI, zeros * progress)
            else:
                num_kept, size = read_pattern(pattern)
                clear_smallest_of_each(weight_OI, round((size - num_kept) * progress), size)
        return model, {}

    def train(model: Any, folder: Path) -> None:
        held = [HeldZeros(model)]
        recovery.train(model, folder, epochs=epochs, learning_rate=learning_rate, callbacks=held, progress="sparsify")

    model, _ = in_rounds(model, recovery.checkpoints, rounds, settings, cut, train)
    num_zeros = sum(int((weight_OI == 0).sum()) for _, weight_OI in _matrices(model))
    num_weights = sum(weight_OI.numel() for _, weight_OI in _matrices(model))
    notes: dict[str, Any] = {
        "zeros_share": num_zeros / num_weights,
        "packed_mb": {"before": before, "after": _packed_mb(model)},
        "remark": "size of the file and time on a CPU do not change",
    }
    if pattern is not None:
        size = read_pattern(pattern)[1]
        notes["left_dense"] = [name for name, weight_OI in _matrices(model) if weight_OI.shape[1] % size]
    return Draft(model, recovery.data, notes)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model: every model has matrices."""
    return None


def read_pattern(pattern: str) -> tuple[int, int]:
    """N and M of `N:M`."""
    num_kept, _, size = pattern.partition(":")
    return int(num_kept), int(size)


@torch.no_grad()
def clear_smallest(weight: Tensor, share: float) -> None:
    """Set that share of the weights, those nearest to zero, to zero, in place. Zeros stay."""
    order = weight.abs().flatten().argsort(stable=True)[: round(share * weight.numel())]
    mask = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
    mask[order] = False
    weight.mul_(mask.view(weight.shape))


@torch.no_grad()
def clear_smallest_of_each(weight_OI: Tensor, number: int, size: int) -> None:
    """Of every `size` weights beside each other in a row, set the `number` nearest to zero to zero, in place.

    A matrix whose rows are no multiple of `size` long is left as it is.
    """
    if weight_OI.shape[1] % size:
        return
    groups_GM = weight_OI.unflatten(1, (-1, size)).flatten(0, 1)
    smallest_GM = groups_GM.abs().argsort(dim=1, stable=True)[:, :number]
    mask_GM = torch.ones_like(groups_GM, dtype=torch.bool).scatter_(1, smallest_GM, False)
    weight_OI.mul_(mask_GM.view(weight_OI.shape))


def _matrices(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and a view [outputs, inputs] of every parameter that is a matrix; of convolutions, inputs by places."""
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1:
                is_turned = type(module).__name__ == "Conv1D"  # GPT-2's, [inputs, outputs]
                yield f"{prefix}.{name}", parameter.detach().t() if is_turned else parameter.detach().flatten(1)


def _packed_mb(model: nn.Module) -> float:
    """MB (1e6 bytes) of all weights as float32, packed as gzip does."""
    packer, size = zlib.compressobj(), 0
    for parameter in model.parameters():
        size += len(packer.compress(parameter.detach().float().contiguous().numpy().tobytes()))
    return (size + len(packer.flush())) / 1e6
