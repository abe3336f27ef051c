"""Token embeddings as the product of two matrices of a lower rank.

Each token's row counts as often as the train split has the token: the best approximation then projects the rows on the
leading eigenvectors of their weighted second moments (Eckart, Young 1936, https://doi.org/10.1007/BF02288367; rows that
are weighted by what hangs on them as in Hsu et al.: Language Model Compression with Weighted Low-Rank Factorization,
ICLR 2022, https://arxiv.org/abs/2207.00112).

Shape suffixes: V tokens of the vocabulary, R rank, D width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from textmill.compression.draft import DoesNotApply, Draft
from textmill.compression.recovery import Recovery
from textmill.compression.vocabulary.selection import count_tokens
from textmill.models.low_rank import LowRankEmbedding, make_low_rank, token_embeddings
from textmill.models.size import parameters_mb

_UNSEEN = 0.5  # of an occurrence, for tokens that no document of the train split has


def factorize_embeddings(
    model: Any, recovery: Recovery, *, rank: int, epochs: int | None, learning_rate: float | None
) -> Draft:
    """Replace the embeddings by the best ones of a rank, then train to recover if `epochs` says so.

    Raises: DoesNotApply: the rank is not below the width, so that nothing would become smaller.
    """
    members = list(getattr(model, "members", [model]))
    for one in members:
        _check(token_embeddings(one), rank)
    embeddings = [token_embeddings(one) for one in members]
    before = parameters_mb(model)
    counts = count_tokens(recovery.data.train, max(old.num_embeddings for old in embeddings))
    weight_V = torch.from_numpy(counts).double() + _UNSEEN
    errors = []
    for one, old in zip(members, embeddings, strict=True):
        table_VD = old.weight.detach().cpu()
        codes_VR, directions_RD = factorize(table_VD, weight_V[: len(table_VD)], rank)
        make_low_rank(one, rank)
        new = token_embeddings(one)
        with torch.no_grad():
            new.table.weight.copy_(codes_VR)
            new.projection.weight.copy_(directions_RD.T)
        errors.append(_lost(table_VD, codes_VR @ directions_RD, weight_V[: len(table_VD)]))
    notes = {"mb_saved": round(before - parameters_mb(model), 3), "lost_share": max(errors)}
    if epochs is not None:
        assert learning_rate is not None
        folder = recovery.checkpoints / "factorize_embeddings"
        recovery.train(model, folder, epochs=epochs, learning_rate=learning_rate, progress="factorize_embeddings")
    return Draft(model, recovery.data, notes)


def unfit(model: Any, settings: Mapping[str, Any]) -> str | None:
    """What of a step does not apply to a model: every family has embeddings."""
    return None


def factorize(table_VD: Tensor, weight_V: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The factors [V, R] and [R, D] whose product is nearest to the table, the squared error of each row weighted."""
    table_VD = table_VD.double()
    moments_DD = table_VD.T @ (weight_V[:, None] * table_VD)
    _, vectors_DD = torch.linalg.eigh(moments_DD)  # ascending
    directions_DR = vectors_DD[:, -rank:].flip(1)
    # An eigenvector's sign is arbitrary: that of its largest entry decides, for the same bytes on every machine.
    largest_R = directions_DR.abs().argmax(0)
    directions_DR = directions_DR * directions_DR.gather(0, largest_R[None]).sign()
    return (table_VD @ directions_DR).float(), directions_DR.T.float()


def _check(embeddings: Any, rank: int) -> None:
    if isinstance(embeddings, LowRankEmbedding):
        raise DoesNotApply(
            "compress.recipes: factorize_embeddings comes twice, but embeddings that are a product already have no "
            "table to factorize. Leave out one of the two steps."
        )
    width, size = embeddings.embedding_dim, embeddings.num_embeddings
    most = (size * width - 1) // (size + width)  # from which on two factors are no smaller than one table
    if rank > most:
        raise DoesNotApply(
            f"compress.recipes: factorize_embeddings is to give embeddings of rank {rank}, but those of {size:,} "
            f"tokens are {width} wide: from rank {most + 1} on two factors are no smaller than one table. Set rank to "
            f"{most} or less."
        )


def _lost(table_VD: Tensor, product_VD: Tensor, weight_V: Tensor) -> float:
    """The weighted share of the squares that the product misses, rounded to what does not hang on the machine."""
    squares = (weight_V[:, None] * table_VD.double() ** 2).sum()
    missed = (weight_V[:, None] * (table_VD.double() - product_VD.double()) ** 2).sum()
    return round(float(missed / squares), 4)
