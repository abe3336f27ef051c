"""What the bytes of a graph are spent on: embeddings, attention, feed-forward, ..., by the names of its weights.

The exporter names a weight after its module (`encoder.layer.0.attention.self.query.bias`), or numbers it where it was
transposed (`val_96`). A numbered one belongs to the module of the operation that it flows into, which the exporter
notes on each node; the quantizer's own nodes have no note, but flow into one that has.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textmill.compression.quantization.graph_blocks import read_scope, readers_of

_NUMBERED = re.compile(r"^(val|node|onnx|expand|const)\w*_?\d*$")
_QUANTIZED = re.compile(r"(_quantized|_scale|_zero_point|_scales|_zp|_Q4G?\d*|_Q4)+$")
_MOST_STEPS = 8  # from a weight to a node with a note

# The first that matches the name of a weight's module, in the words of transformers and of our own families.
PARTS = {
    "head": r"^(members\.\d+\.)?(head|pooler|classifier|score)\b",
    "embeddings": r"embed|\bw[tp]e\b",
    "attention": r"attention|attn|\b(q|k|v|query|key|value)(_proj|_lin)?\b",
    "feed_forward": r"\bmlp\b|\bffn\b|feed_forward|intermediate|output",
    "recurrence": r"\blstm\b",
    "convolutions": r"\bconvolutions\b",
}


def measure_parts(model: Path) -> dict[str, int]:
    """Bytes of the weights of each of PARTS, and of `other`: the rest of the file. They add up to its size."""
    import onnx

    graph = onnx.load(model, load_external_data=False).graph
    readers = readers_of(graph)
    sizes = dict.fromkeys([*PARTS, "other"], 0)
    for tensor in graph.initializer:
        sizes[_find_part(_find_module(tensor.name, readers))] += tensor.ByteSize()
    sizes["other"] += model.stat().st_size - sum(sizes.values())
    return sizes


def _find_part(module: str) -> str:
    return next((part for part, pattern in PARTS.items() if re.search(pattern, module)), "other")


def _find_module(tensor: str, readers: Mapping[str, list[Any]]) -> str:
    """The module of a weight: its own name, or that of the nearest node behind it; empty where none says."""
    name = _QUANTIZED.sub("", tensor)
    if not _NUMBERED.match(name):
        return name
    names = [tensor]
    for _ in range(_MOST_STEPS):
        nodes = [node for name in names for node in readers.get(name, ())]
        for node in nodes:
            if module := read_scope(node):
                return module
        names = [output for node in nodes for output in node.output]
    return ""
