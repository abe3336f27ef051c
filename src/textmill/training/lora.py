"""Low-rank updates of frozen attention matrices (Hu et al.: LoRA, 2021, https://arxiv.org/abs/2106.09685), by peft."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from textmill.errors import UserError
from textmill.training.settings import LoraSettings


class NoAttention(UserError):
    """The family has no attention matrices that LoRA could update."""


@contextmanager
def low_rank_updates(model: Any, lora: LoraSettings | None) -> Iterator[None]:
    """Train updates of the attention matrices and the head only; at the end the updates are merged into the matrices.

    After it, the model has the modules and the names of before. Without `lora` nothing happens.

    Raises: NoAttention.
    """
    if lora is None:
        yield
        return
    from peft import LoraConfig, LoraModel

    trained = [parameter.requires_grad for parameter in model.parameters()]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft says int and takes any number
        lora_dropout=lora.dropout,
        target_modules=attention_matrices(model),
        bias="none",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fan_in_fan_out.*")  # peft finds it out by itself
        adapted = LoraModel(model.encoder, config, "default")
    try:
        yield
    finally:
        merged = adapted.merge_and_unload()
        assert merged is model.encoder
        for parameter, flag in zip(model.parameters(), trained, strict=True):
            parameter.requires_grad_(flag)


def attention_matrices(model: Any) -> list[str]:
    """Names of the linear layers within the encoder's attention blocks: query, key, value, output, however fused.

    Raises: NoAttention.
    """
    from transformers.pytorch_utils import Conv1D

    encoder = getattr(model, "encoder", None)
    names = []
    if isinstance(encoder, nn.Module):
        names = [
            name
            for name, module in encoder.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and any("att" in part for part in name.lower().split("."))
        ]
    if not names:
        raise NoAttention(
            f"training.lora updates attention matrices, and model.family {model.family} has none that it can "
            "find. Set training.lora: null, or model.family: transformer."
        )
    return names
