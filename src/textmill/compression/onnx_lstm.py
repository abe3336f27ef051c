"""The LSTM as ONNX has it: one node a layer, which takes the documents' lengths.

Shape suffixes: W windows, T tokens, D width, H hidden size; ONNX writes [T, directions, W, H].
"""

import torch
from torch import Tensor, nn

from textmill.models.lstm import PackedLstm

_OPSET = 14  # the newest version of the operator LSTM that onnxruntime has


class OnnxLstm(nn.Module):
    """What `PackedLstm` computes, for `torch.onnx.export` only: packed sequences cannot be exported.

    The weights are in the order of ONNX from the start, so that each is a tensor of the file, which the quantizer
    finds, and not something that the graph puts together.
    """

    def __init__(self, lstm: PackedLstm):
        super().__init__()
        self.hidden_size, self.num_layers = lstm.hidden_size, lstm.num_layers
        for layer in range(lstm.num_layers):
            inputs, recurrent, biases = [], [], []
            for direction in ("", "_reverse"):
                of = {kind: getattr(lstm, f"{kind}_l{layer}{direction}").detach() for kind in _KINDS}
                inputs.append(_reordered(of["weight_ih"]))
                recurrent.append(_reordered(of["weight_hh"]))
                biases.append(torch.cat([_reordered(of["bias_ih"]), _reordered(of["bias_hh"])]))
            for kind, both in (("inputs", inputs), ("recurrent", recurrent), ("biases", biases)):
                self.register_buffer(f"{kind}_{layer}", torch.stack(both))

    def forward(self, states_WTD: Tensor, lengths_W: Tensor) -> Tensor:
        """Symbolic: states [W, T, 2H]."""
        num_documents, num_tokens, _ = states_WTD.shape
        states = states_WTD.transpose(0, 1)
        for layer in range(self.num_layers):
            weights = [getattr(self, f"{kind}_{layer}") for kind in ("inputs", "recurrent", "biases")]
            output = torch.onnx.ops.symbolic(
                "LSTM",
                [states, *weights, lengths_W.int()],
                {"hidden_size": self.hidden_size, "direction": "bidirectional"},
                dtype=states.dtype,
                shape=[num_tokens, 2, num_documents, self.hidden_size],
                version=_OPSET,
            )
            states = output.transpose(1, 2).flatten(2)
        return states.transpose(0, 1)


_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _reordered(gates: Tensor) -> Tensor:
    """From PyTorch's order of gates, input, forget, cell, output, to ONNX's: input, output, forget, cell."""
    of_input, of_forget, of_cell, of_output = gates.chunk(4)
    return torch.cat([of_input, of_output, of_forget, of_cell])
