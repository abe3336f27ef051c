"""Token embeddings as the product of two matrices, and where a model of any family keeps its embeddings.

Shape suffixes: V tokens of the vocabulary, R rank, D width.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn


class LowRankEmbedding(nn.Module):
    """Embeddings of R numbers a token, brought to the width D by one matrix for all, as in ALBERT.

    Lan et al.: ALBERT, ICLR 2020 (https://arxiv.org/abs/1909.11942), section 3.1.
    """

    def __init__(self, num_embeddings: int, rank: int, embedding_dim: int, padding_idx: int | None = None):
        super().__init__()
        self.table = nn.Embedding(num_embeddings, rank, padding_idx=padding_idx)
        self.projection = nn.Linear(rank, embedding_dim, bias=False)

    @property
    def num_embeddings(self) -> int:
        return self.table.num_embeddings

    @property
    def rank(self) -> int:
        return self.table.embedding_dim

    @property
    def embedding_dim(self) -> int:
        return self.projection.out_features

    @property
    def padding_idx(self) -> int | None:
        return self.table.padding_idx

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return embeddings of the shape of the ids and D."""
        return cast(Tensor, self.projection(self.table(input_ids)))


def token_embeddings(model: Any) -> Any:
    """The embeddings of a model of any family, an nn.Embedding or a LowRankEmbedding."""
    return model.encoder.get_input_embeddings() if hasattr(model, "encoder") else model.embeddings


def set_token_embeddings(model: Any, embeddings: nn.Module) -> None:
    if hasattr(model, "encoder"):
        model.encoder.set_input_embeddings(embeddings)
    else:
        model.embeddings = embeddings


def rank_of(model: Any) -> int | None:
    """The rank of a model's embeddings, None for full ones: a part of its architecture."""
    embeddings = token_embeddings(model)
    return embeddings.rank if isinstance(embeddings, LowRankEmbedding) else None


def make_low_rank(model: Any, rank: int) -> None:
    """Give a model, in place, low-rank embeddings of the size of its own, untrained."""
    old = token_embeddings(model)
    new = LowRankEmbedding(old.num_embeddings, rank, old.embedding_dim, old.padding_idx)
    set_token_embeddings(model, new)


def keep_rows(model: Any, kept: Sequence[int]) -> None:
    """Cut a model's embeddings, in place, to the tokens with these ids, in their order."""
    embeddings = token_embeddings(model)
    table = embeddings.table if isinstance(embeddings, LowRankEmbedding) else embeddings
    padding = kept.index(table.padding_idx) if table.padding_idx in kept else None
    weight_VD = table.weight.detach()[torch.tensor(kept)].clone()
    size, width = weight_VD.shape
    new = nn.Embedding(size, width, padding_idx=padding, _weight=weight_VD)
    if isinstance(embeddings, LowRankEmbedding):
        embeddings.table = new
    else:
        set_token_embeddings(model, new)
