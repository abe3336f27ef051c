"""BERT-like layers, of which heads, feed-forward units and width can be cut.

They are `attention.self` (query, key, value), `attention.output`, `intermediate` and `output`.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from textmill.errors import UserError
from textmill.models.units import Places, Units, each, keep_units, places

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


def heads(layer: nn.Module) -> Units:
    """The attention heads of a layer."""
    attention = cast(Any, layer).attention
    index = torch.arange(attention.self.query.out_features, device="cpu").view(num_heads(layer), -1)
    found = [
        place for name in ("query", "key", "value") for place in places(getattr(attention.self, name), index, dim=0)
    ]
    return Units([*found, *places(attention.output.dense, index, dim=1, is_gate=True)])


def feed_forward(layer: nn.Module) -> Units:
    """The feed-forward units of a layer."""
    block = cast(Any, layer)
    index = each(block.intermediate.dense.out_features)
    written, read = (
        places(block.intermediate.dense, index, dim=0),
        places(block.output.dense, index, dim=1, is_gate=True),
    )
    return Units([*written, *read])


def width(encoder: nn.Module, head: nn.Linear) -> Units:
    """The hidden size: what embeddings and layers write, norms scale, and layers and the head read.

    Norms are its gates: their scale and shift are all that is seen of a hidden unit.
    """
    model, index = cast(Any, encoder), each(head.in_features)
    found: list[Places] = []
    if hasattr(model, "embeddings_project"):  # ELECTRA's embeddings have a width of their own
        found += places(model.embeddings_project, index, dim=0)
    else:
        tables = (model.embeddings.word_embeddings, model.embeddings.position_embeddings)
        for table in (*tables, model.embeddings.token_type_embeddings):
            found += places(table, index, dim=1)
        found += places(model.embeddings.LayerNorm, index, dim=0, is_gate=True)
    for layer in bert_layers(encoder):
        attention = layer.attention
        for reader in (attention.self.query, attention.self.key, attention.self.value, layer.intermediate.dense):
            found += places(reader, index, dim=1)
        for writer in (attention.output, layer.output):
            found += places(writer.dense, index, dim=0)
            found += places(writer.LayerNorm, index, dim=0, is_gate=True)
    return Units([*found, *places(head, index, dim=1)])


def keep_heads(layer: nn.Module, kept: Sequence[int]) -> None:
    """Shrink a BERT-like layer's attention to the heads with these indices, in place."""
    keep_units([heads(layer)], [kept])
    attention = cast(Any, layer).attention.self
    attention.num_attention_heads = num_heads(layer)
    attention.all_head_size = attention.query.out_features


def keep_feed_forward(layer: nn.Module, kept: Sequence[int]) -> None:
    """Shrink a BERT-like layer's feed-forward block to the units with these indices, in place."""
    keep_units([feed_forward(layer)], [kept])


def keep_width(encoder: nn.Module, head: nn.Linear, kept: Sequence[int]) -> None:
    """Shrink the hidden size to the units with these indices, in place; heads keep their size.

    What the config says of the hidden size stays: transformers wants a multiple of the heads.
    """
    keep_units([width(encoder, head)], [kept])
