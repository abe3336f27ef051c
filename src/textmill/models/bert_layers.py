"""BERT-like layers: what prune and distill cut.

They are `attention.self` (query, key, value), `attention.output`, `intermediate` and `output`.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from textmill.errors import UserError

# model_type of the encoders that have such layers, in `encoder.layer`.
BERT_LIKE = {"bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"}


class UnsupportedArchitecture(UserError):
    """A compression method needs BERT-like layers and the encoder has others."""


def is_bert_like(encoder: nn.Module | None) -> bool:
    """Whether it is an encoder, and has such layers."""
    return encoder is not None and cast(Any, encoder.config).model_type in BERT_LIKE


def bert_layers(encoder: nn.Module) -> Any:
    """The ModuleList of blocks, first to last. Raises: UnsupportedArchitecture."""
    if not is_bert_like(encoder):
        raise UnsupportedArchitecture(
            f"model.weights: {type(encoder).__name__} has no BERT-like layers, which prune and distill work on. "
            f"Use recipes without these methods, or weights of model_type {', '.join(sorted(BERT_LIKE))}."
        )
    return cast(Any, encoder).encoder.layer


def num_heads(layer: nn.Module) -> int:
    attention = cast(Any, layer).attention.self
    return attention.query.out_features // attention.attention_head_size


def keep_heads(layer: nn.Module, kept: Sequence[int]) -> None:
    """Shrink a BERT-like layer's attention to the heads with these indices, in place."""
    from transformers.pytorch_utils import prune_linear_layer

    attention = cast(Any, layer).attention
    size = attention.self.attention_head_size
    index = torch.LongTensor([head * size + i for head in kept for i in range(size)])
    for name in ("query", "key", "value"):
        setattr(attention.self, name, prune_linear_layer(getattr(attention.self, name), index))
    attention.output.dense = prune_linear_layer(attention.output.dense, index, dim=1)
    attention.self.num_attention_heads = len(kept)
    attention.self.all_head_size = len(kept) * size


def keep_feed_forward(layer: nn.Module, kept: Sequence[int]) -> None:
    """Shrink a BERT-like layer's feed-forward block to the units with these indices, in place."""
    from transformers.pytorch_utils import prune_linear_layer

    block, index = cast(Any, layer), torch.LongTensor(list(kept))
    block.intermediate.dense = prune_linear_layer(block.intermediate.dense, index)
    block.output.dense = prune_linear_layer(block.output.dense, index, dim=1)
