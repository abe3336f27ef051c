"""A bidirectional LSTM over the tokens, and the largest value of each of its features.

Hochreiter, Schmidhuber: Long Short-Term Memory, 1997 (https://doi.org/10.1162/neco.1997.9.8.1735); pooled by the
maximum as in Conneau et al.: Supervised Learning of Universal Sentence Representations, EMNLP 2017
(https://aclanthology.org/D17-1070).

Shape suffixes: W windows (documents, or parts of them), T tokens, D width of embeddings, H hidden size, C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textmill.models.embeddings import build_embeddings, describe_embeddings, embeddings_of, max_over_tokens
from textmill.models.low_rank import LowRankEmbedding
from textmill.models.units import Places, Units, each, keep_units, places

_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_DIRECTIONS = ("", "_reverse")
_LSTM_OPSET = 14  # the newest version of the operator LSTM that onnxruntime has


class PackedLstm(nn.LSTM):
    """A bidirectional LSTM that takes padded documents and computes each as if it were alone."""

    def __init__(self, width: int, hidden_size: int, num_layers: int):
        super().__init__(width, hidden_size, num_layers, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.zero_()
                gates = parameter.chunk(4)  # input, forget, cell, output
                if name.startswith("weight"):
                    for gate in gates:
                        nn.init.xavier_uniform_(gate)
                elif name.startswith("bias_ih"):
                    # Remember until told otherwise: Jozefowicz et al., 2015 (proceedings.mlr.press/v37/jozefowicz15).
                    gates[1].fill_(1.0)

    def forward(self, states_WTD: Tensor, lengths_W: Tensor) -> Tensor:  # type: ignore[override]
        """Return states [W, T, 2H], zero on padding.

        Args:
            lengths_W: tokens of each document, at least one.
        """
        packed = pack_padded_sequence(states_WTD, lengths_W.cpu(), batch_first=True, enforce_sorted=False)
        output, _ = super().forward(packed)
        return pad_packed_sequence(output, batch_first=True, total_length=states_WTD.shape[1])[0]

    def exportable(self) -> nn.Module:
        """What takes its place in ONNX."""
        return OnnxLstm(self)


class OnnxLstm(nn.Module):
    """What `PackedLstm` computes: one node a layer, which takes the lengths. Packed sequences cannot be exported.

    It is symbolic, for `torch.onnx.export` only.

    The weights are in the order of ONNX from the start, so that each is a tensor of the file, which the quantizer
    finds, and not something that the graph puts together.
    """

    def __init__(self, lstm: PackedLstm):
        super().__init__()
        self.hidden_size, self.num_layers = lstm.hidden_size, lstm.num_layers
        for layer in range(lstm.num_layers):
            inputs, recurrent, biases = [], [], []
            for direction in _DIRECTIONS:
                of = {kind: getattr(lstm, f"{kind}_l{layer}{direction}").detach() for kind in _KINDS}
                inputs.append(_reordered(of["weight_ih"]))
                recurrent.append(_reordered(of["weight_hh"]))
                biases.append(torch.cat([_reordered(of["bias_ih"]), _reordered(of["bias_hh"])]))
            for kind, both in (("inputs", inputs), ("recurrent", recurrent), ("biases", biases)):
                self.register_buffer(f"{kind}_{layer}", torch.stack(both))

    def forward(self, states_WTD: Tensor, lengths_W: Tensor) -> Tensor:
        """States [W, T, 2H]; ONNX writes [T, directions, W, H]."""
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
                version=_LSTM_OPSET,
            )
            states = output.transpose(1, 2).flatten(2)
        return states.transpose(0, 1)


class Lstm(nn.Module):
    """Embeddings, layers of bidirectional LSTM, max over the document's tokens and a linear head, with dropout between.

    Documents are padded on the right.
    """

    family = "lstm"

    def __init__(self, embeddings: nn.Embedding | LowRankEmbedding, hidden_size: int, num_layers: int, num_labels: int):
        super().__init__()
        self.embeddings = embeddings
        self.lstm = PackedLstm(embeddings.embedding_dim, hidden_size, num_layers)
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(2 * hidden_size, num_labels)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def build(
        cls, settings: Mapping[str, Any], *, tokens: Path, weights: Path, pretrained: Path | None, num_labels: int
    ) -> "Lstm":
        """A new model for the tokens; see `build_embeddings`. Raises: UnusableWeights."""
        embeddings = build_embeddings(settings, tokens=tokens, weights=weights, pretrained=pretrained)
        return cls(embeddings, settings["hidden_size"], settings["num_layers"], num_labels)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> "Lstm":
        """Build an untrained model of the shape that `architecture` describes."""
        embeddings = embeddings_of(architecture)
        return cls(embeddings, architecture["hidden_size"], architecture["num_layers"], architecture["num_labels"])

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON."""
        return {
            **describe_embeddings(self.embeddings),
            "hidden_size": self.lstm.hidden_size,
            "num_layers": self.lstm.num_layers,
            "num_labels": self.head.out_features,
        }

    def set_dropout(self, rate: float) -> None:
        """Set the dropout before, between and after the layers; within a layer, from token to token, there is none."""
        self.dropout.p = rate
        self.lstm.dropout = rate if self.lstm.num_layers > 1 else 0.0

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the input to the output: embeddings, each layer, head."""
        layers = [
            [parameter for name, parameter in self.lstm.named_parameters() if _layer(name) == layer]
            for layer in range(self.lstm.num_layers)
        ]
        return [list(self.embeddings.parameters()), *layers, list(self.head.parameters())]

    def forward(self, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
        """Return logits of shape [W, C], float32 or the autocast type."""
        embedded_WTD = self.dropout(self.embeddings(input_ids_WT))
        states_WTH = self.lstm(embedded_WTD, attention_mask_WT.sum(1).clamp(min=1))  # an empty text has none
        return self.head(self.dropout(max_over_tokens(states_WTH, attention_mask_WT)))

    def prunable(self) -> dict[str, list[Units]]:
        """Units that can leave, by kind: the hidden units of each layer and direction, and the embeddings' width."""
        columns = each(self.embeddings.embedding_dim)
        width = [*places(self.embeddings, columns, dim=1)]
        width += self._read_by(0, columns)
        hidden = [self._hidden(layer, number) for layer in range(self.lstm.num_layers) for number in range(2)]
        return {"hidden": hidden, "width": [Units(width)]}

    def keep(self, kind: str, kept: Sequence[Sequence[int]]) -> None:
        """Keep the units of a kind with these indices in each group, in place; of hidden units as many in each."""
        keep_units(self.prunable()[kind], kept)

    def _hidden(self, layer: int, number: int) -> Units:
        """Hidden units of a layer in one direction: a row of each gate, and what the next one reads."""
        size, ending = self.lstm.hidden_size, f"_l{layer}{_DIRECTIONS[number]}"
        rows = each(size) + size * torch.arange(4, device="cpu")
        found = [*places(self.lstm, rows, dim=0, names=[kind + ending for kind in _KINDS])]
        found += places(self.lstm, each(size), dim=1, is_gate=True, names=[f"weight_hh{ending}"])
        return Units([*found, *self._read_by(layer + 1, each(size, first=number * size))])

    def _read_by(self, layer: int, columns: Tensor) -> Sequence[Places]:
        """What a layer reads of the states of the one before it at these columns; behind the last one is the head."""
        if layer == self.lstm.num_layers:
            return list(places(self.head, columns, dim=1, is_gate=True))
        names = [f"weight_ih_l{layer}{direction}" for direction in _DIRECTIONS]
        return list(places(self.lstm, columns, dim=1, is_gate=True, names=names))


def _layer(name: str) -> int:
    """0 for `weight_ih_l0` and `weight_ih_l0_reverse`."""
    return int(name.removesuffix("_reverse").rpartition("_l")[2])


def _reordered(gates: Tensor) -> Tensor:
    """From PyTorch's order of gates, input, forget, cell, output, to ONNX's: input, output, forget, cell."""
    of_input, of_forget, of_cell, of_output = gates.chunk(4)
    return torch.cat([of_input, of_output, of_forget, of_cell])
