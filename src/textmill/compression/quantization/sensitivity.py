"""Which blocks of a graph rounding hurts the most, and which of them therefore stay in float.

Each block is quantized alone, and the divergence of the answers from those in float measured: as many runs as there are
blocks, and as many again as blocks stay in float.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textmill.compression.feeds import Feed
from textmill.compression.quantization.documents import answers, divergence
from textmill.compression.quantization.graph_blocks import Block, find_blocks, nodes_of
from textmill.errors import UserError
from textmill.tasks import Task

_DIGITS = 3  # of what is noted
# Writes a graph to a path, with these nodes in float.
Writer = Callable[[Path, list[str]], None]


class UnreachableDivergence(UserError):
    """As many blocks as may stay in float are not enough."""


def keep_sensitive(
    source: Path,
    target: Path,
    write: Writer,
    documents: list[list[Feed]],
    task: Task,
    *,
    max_layers: int | None,
    max_divergence: float | None,
) -> dict[str, Any]:
    """Write the quantized twin of a graph, with its most sensitive blocks in float.

    Args:
        documents: answered by graphs with one block quantized each.
        max_layers: the most blocks that stay; without max_divergence, exactly so many.
        max_divergence: of the whole; as few blocks stay as it needs, by the order of their sensitivity.

    Returns:
        Notes: divergence of each block alone, of all of them together (none in float), and of the graph written; and
        the blocks that stayed.

    Raises: UnreachableDivergence.
    """
    blocks = find_blocks(source)
    expected_NC = answers(source, documents)

    def measure(kept: list[Block]) -> float:
        write(target, nodes_of(kept))
        return divergence(task, expected_NC, answers(target, documents))

    alone = {block: measure([other for other in blocks if other != block]) for block in blocks}
    order = sorted(blocks, key=lambda block: -alone[block])
    whole = reached = measure([])
    # Of one block at least something must be quantized.
    most = min(len(blocks) - 1, len(blocks) if max_layers is None else max_layers)
    num_kept = most if max_divergence is None else 0
    if num_kept:
        reached = measure(order[:num_kept])
    while max_divergence is not None and reached > max_divergence:
        if num_kept == most:
            raise UnreachableDivergence(_message(max_layers, max_divergence, whole, reached, order[:num_kept]))
        num_kept += 1
        reached = measure(order[:num_kept])
    return {
        "num_documents": len(documents),
        "kept_float": [{"name": block.name, "divergence": _rounded(alone[block])} for block in order[:num_kept]],
        "divergence": _rounded(reached),
        "divergence_without": _rounded(whole),
        "blocks": [{"name": block.name, "divergence": _rounded(alone[block])} for block in order],
    }


def _message(max_layers: int | None, max_divergence: float, whole: float, reached: float, kept: list[Block]) -> str:
    names = "; ".join(block.name for block in kept) or "none"
    limit = f"max_layers: {max_layers}" if max_layers is not None else "all but one of them"
    return (
        f"compress.recipes: quantize must keep to keep_float.max_divergence: {max_divergence:g}, but the answers "
        f"diverge by {reached:.3g} with {limit} in float ({names}), and by {whole:.3g} with none. Allow a larger "
        "divergence or more layers in float, or use an arithmetic that is nearer to float32, such as block_int8."
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
