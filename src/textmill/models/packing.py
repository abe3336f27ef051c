"""Documents one after the other instead of padded: what an encoder computes for padding is left out.

All real tokens of a batch become one row. Position ids begin anew with each document, and attention, the only place
where tokens meet, keeps the documents apart: with PyTorch's attention for sequences of several lengths on a GPU in half
precision, and document by document elsewhere.

Shape suffixes: W windows of a batch, T tokens of the longest, L tokens of all without padding, H heads, E size of a
head, D hidden size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.errors import UserError
from textmill.models.attention import attend, is_faster

IMPLEMENTATION = "textmill_packed"
_LIMITS = ("sliding_window", "local_attention", "attention_chunk_size")  # of how far a token sees


class UnpackableEncoder(UserError):
    """An encoder whose attention cannot keep documents of one row apart."""


class _Packed(NamedTuple):
    lengths: list[int]  # tokens of each window
    ends: Tensor  # int32 [W + 1]: 0 and where each window ends


_packed: ContextVar[_Packed | None] = ContextVar("_packed", default=None)


def set_training_attention(encoder: nn.Module, on: bool, packing: bool = False) -> None:
    """Let the encoder attend the way that trains fastest, or put PyTorch's SDPA back.

    With `packing`, attention goes by documents whenever `packed_states` calls the encoder. An encoder with an attention
    of its own keeps it.

    Raises: UnpackableEncoder.
    """
    _register()
    model = cast(Any, encoder)
    if packing:
        _check(model)
    if model._can_set_attn_implementation():
        model.set_attn_implementation(IMPLEMENTATION if on else "sdpa")


def packed_states(encoder: nn.Module, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
    """The last hidden states [W, T, D] of an encoder with packed attention, computed without padding, zero there."""
    mask_WT = attention_mask_WT.bool()
    lengths_W = mask_WT.sum(1)
    positions_WT = (mask_WT.cumsum(1) - 1) + first_position(encoder)
    ends = F.pad(lengths_W.cumsum(0), (1, 0)).to(torch.int32)
    with _packing(_Packed(lengths_W.tolist(), ends)):
        states_1LD = encoder(
            input_ids=input_ids_WT[mask_WT][None], position_ids=positions_WT[mask_WT][None], use_cache=False
        ).last_hidden_state
    states_WTD = states_1LD.new_zeros(*mask_WT.shape, states_1LD.shape[-1])
    return states_WTD.masked_scatter(mask_WT[:, :, None], states_1LD[0])


@contextmanager
def _packing(packed: _Packed) -> Iterator[None]:
    token = _packed.set(packed)
    try:
        yield
    finally:
        _packed.reset(token)


def _attention(
    module: nn.Module,
    query_1HLE: Tensor,
    key_1HLE: Tensor,
    value_1HLE: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """As transformers asks for it: returns [1, L, H, E]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    causal = bool(getattr(module, "is_causal", False) if is_causal is None else is_causal)
    grouped = key_1HLE.shape[1] != query_1HLE.shape[1]
    plain = is_faster(query_1HLE, dropout) and not grouped and others.get("position_bias") is None
    packed = _packed.get()
    if packed is None and plain and _is_mask(attention_mask, causal):
        scale = query_1HLE.shape[-1] ** -0.5 if scaling is None else scaling
        return attend(query_1HLE, key_1HLE, value_1HLE, attention_mask, scale).transpose(1, 2).contiguous(), None
    if packed is None:
        return sdpa_attention_forward(
            module, query_1HLE, key_1HLE, value_1HLE, attention_mask,
            dropout=dropout, scaling=scaling, is_causal=is_causal, **others,
        )  # fmt: skip
    assert attention_mask is None
    if query_1HLE.is_cuda and query_1HLE.dtype in (torch.bfloat16, torch.float16) and dropout == 0:
        return _by_kernel(query_1HLE, key_1HLE, value_1HLE, packed, causal, scaling), None
    parts = [states.split(packed.lengths, dim=2) for states in (query_1HLE, key_1HLE, value_1HLE)]
    if plain and not causal:
        scale = query_1HLE.shape[-1] ** -0.5 if scaling is None else scaling
        documents = [attend(q, k, v, None, scale) for q, k, v in zip(*parts, strict=True)]
    else:
        documents = [
            F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=causal, scale=scaling, enable_gqa=grouped
            )
            for q, k, v in zip(*parts, strict=True)
        ]
    return torch.cat(documents, dim=2).transpose(1, 2).contiguous(), None


def _is_mask(mask_W1TT: Tensor | None, causal: bool) -> bool:
    """Whether the mask says all that may not be seen; without one, a decoder's attention is causal by itself."""
    return not causal if mask_W1TT is None else mask_W1TT.dtype == torch.bool


def _by_kernel(
    query_1HLE: Tensor, key_1HLE: Tensor, value_1HLE: Tensor, packed: _Packed, causal: bool, scaling: float | None
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (states[0].transpose(0, 1).contiguous() for states in (query_1HLE, key_1HLE, value_1HLE))
    longest = max(packed.lengths)
    attended = varlen_attn(
        query, key, value, packed.ends, packed.ends, longest, longest,
        scale=scaling, window_size=(-1, 0 if causal else -1), enable_gqa=key.shape[1] != query.shape[1],
    )  # fmt: skip
    return cast(Tensor, attended)[None]


def _mask(*arguments: Any, **named: Any) -> Tensor | None:
    """No mask where documents are kept apart already, else that of SDPA."""
    from transformers.masking_utils import sdpa_mask

    return None if _packed.get() else sdpa_mask(*arguments, **named)


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(IMPLEMENTATION, _attention)
    AttentionMaskInterface.register(IMPLEMENTATION, _mask)


def _check(encoder: Any) -> None:
    limits = [key for key in _LIMITS if getattr(encoder.config, key, None)]
    if limits or not encoder._can_set_attn_implementation():
        reason = f"limits how far a token sees ({limits[0]})" if limits else "has an attention of its own"
        raise UnpackableEncoder(
            f"training.packing is true, but {type(encoder).__name__} {reason}, so that documents in one row would mix. "
            "Set it to false: batches of like length have little padding anyway."
        )


def first_position(encoder: nn.Module) -> int:
    """RoBERTa and its kin count positions from behind the padding's."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return cast(int, module.padding_idx) + 1
    return 0
