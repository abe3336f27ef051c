"""PyTorch to ONNX, with parity checked on real documents."""

import copy
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from textmill.data.tokens import TokenArrays

MAX_DIFFERENCE = 1e-3  # of a logit, in float32; exports here stay below 1e-5
OPSET = 20  # opset 23's Attention op makes an invalid graph after dynamic quantization


def export_onnx(model: nn.Module, path: Path, tokens: TokenArrays, pad_id: int) -> float:
    """Write `model.onnx`: input_ids and attention_mask int64 [W, T] in, logits float32 [W, C] out, W and T free.

    Args:
        tokens: documents on which the graph is compared with the model.

    Returns:
        The largest difference of a logit. Above `MAX_DIFFERENCE` it is our mistake: AssertionError.
    """
    import onnx
    from torch.export import Dim

    model = model.eval()
    ids_WT, mask_WT = _example(tokens, pad_id)
    shapes = {0: Dim("documents"), 1: Dim("tokens")}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _exportable(model),
            (ids_WT, mask_WT),
            dynamo=True,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes=(shapes, shapes),
            verbose=False,
        )
        expected_WC = model(ids_WT, mask_WT).numpy()
    assert program is not None
    graph = program.model_proto
    del graph.graph.value_info[:]  # shapes of the example; the quantizer would take them for given
    onnx.save(graph, path)
    difference = float(np.abs(_run(path, ids_WT, mask_WT) - expected_WC).max())
    assert difference <= MAX_DIFFERENCE, f"{path} differs from the model by {difference:g} in a logit"
    return difference


def _exportable(model: nn.Module) -> nn.Module:
    """A copy whose parts all have their like in ONNX; of an ensemble, each member's."""
    twin = copy.deepcopy(model)
    for name, module in list(twin.named_modules()):
        if hasattr(module, "set_attn_implementation"):  # of transformers
            module.set_attn_implementation("eager")  # plain MatMul and Softmax are what the quantizer knows
        elif hasattr(module, "exportable"):
            twin.set_submodule(name, module.exportable())
    return twin.eval()


def _example(tokens: TokenArrays, pad_id: int, num_documents: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Documents of unlike lengths, so that the mask matters: int64 [W, T] ids and mask."""
    lengths = tokens.window_lengths
    order = np.argsort(lengths, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, num_documents).astype(int)]
    width = int(lengths[chosen].max())
    ids_WT = torch.full((num_documents, width), pad_id, dtype=torch.int64)
    for row, window in enumerate(chosen):
        ids = tokens.ids[tokens.offsets[window] : tokens.offsets[window + 1]]
        ids_WT[row, : lengths[window]] = torch.from_numpy(ids.astype(np.int64))
    mask_WT = (torch.arange(width) < torch.from_numpy(lengths[chosen])[:, None]).long()
    return ids_WT, mask_WT


def _run(path: Path, ids_WT: torch.Tensor, mask_WT: torch.Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input_ids": ids_WT.numpy(), "attention_mask": mask_WT.numpy()})[0]
