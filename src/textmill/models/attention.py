"""Attention by plain matrix products, for bf16 on a CPU.

There, the backward pass of PyTorch's fused attention takes most of a step: with heads of 32, forward and backward
together took 26 ms instead of 3.4 at 32 documents of 32 tokens, and 139 instead of 93 at 8 of 416 (one thread).

Shape suffixes: W windows of a batch, H heads, T tokens, E size of a head.
"""

from typing import Any

import torch
from torch import Tensor

MOST_SCORES = 2**21  # computed at a time, so that they stay in the processor's cache


def is_faster(query: Tensor, dropout: float) -> bool:
    """Whether `attend` should take the place of PyTorch's attention."""
    return query.device.type == "cpu" and query.dtype == torch.bfloat16 and dropout == 0 and torch.is_grad_enabled()


def attend(
    query_WHTE: Tensor, key_WHTE: Tensor, value_WHTE: Tensor, mask_W1TT: Tensor | None, scaling: float
) -> Tensor:
    """softmax(Q K' scaling) V: [W, H, T, E]. Where the mask, if any, is False, nothing is attended to.

    Scores are computed again in the backward pass, like FlashAttention (Dao et al. 2022) does, and a few windows at a
    time, so that memory grows with the tokens and not with their square.
    """
    attended: Tensor = _Attention.apply(query_WHTE, key_WHTE, value_WHTE, mask_W1TT, scaling)
    return attended


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query_WHTE: Tensor, key_WHTE: Tensor, value_WHTE: Tensor, mask_W1TT: Tensor | None, scaling: float
    ) -> Tensor:
        query, key, value = query_WHTE.contiguous(), key_WHTE.contiguous(), value_WHTE.contiguous()
        ctx.save_for_backward(query, key, value, mask_W1TT)
        ctx.scaling = scaling
        attended = torch.empty_like(query)
        for part in _parts(query):
            attended[part] = _probabilities(query, key, mask_W1TT, scaling, part) @ value[part]
        return attended

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask_W1TT = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_query, of_key, of_value = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        for part in _parts(query):
            shares = _probabilities(query, key, mask_W1TT, ctx.scaling, part)
            of_value[part] = shares.transpose(-1, -2) @ gradient[part]
            of_shares = gradient[part] @ value[part].transpose(-1, -2)
            of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype).mul_(ctx.scaling)
            of_query[part] = of_scores @ key[part]
            of_key[part] = of_scores.transpose(-1, -2) @ query[part]
        return of_query, of_key, of_value, None, None


def _parts(query_WHTE: Tensor) -> list[slice]:
    num_windows, num_heads, num_tokens, _ = query_WHTE.shape
    size = max(1, MOST_SCORES // (num_heads * num_tokens**2))
    return [slice(first, first + size) for first in range(0, num_windows, size)]


def _probabilities(query: Tensor, key: Tensor, mask_W1TT: Tensor | None, scaling: float, part: slice) -> Tensor:
    scores = (query[part] * scaling) @ key[part].transpose(-1, -2)
    if mask_W1TT is not None:
        scores.masked_fill_(~mask_W1TT[part], torch.finfo(scores.dtype).min)
    return scores.softmax(-1)
