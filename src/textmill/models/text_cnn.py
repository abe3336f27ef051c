"""Convolutions of several widths over the tokens, and the largest answer of each filter.

Kim: Convolutional Neural Networks for Sentence Classification, EMNLP 2014 (https://aclanthology.org/D14-1181).

Shape suffixes: W windows (documents, or parts of them), T tokens, D width of embeddings, F filters of all widths,
C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.models.embeddings import build_embeddings, describe_embeddings, embeddings_of
from textmill.models.low_rank import LowRankEmbedding
from textmill.models.units import Units, each, keep_units, places


class Convolution(nn.Conv1d):
    """Filters that begin at every token of a document and see zeros behind its end."""

    def __init__(self, embedding_size: int, num_filters: int, width: int):
        super().__init__(embedding_size, num_filters, width)
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")  # He et al., 2015, for ReLU
        nn.init.zeros_(cast(Tensor, self.bias))

    def forward(self, states_WTD: Tensor) -> Tensor:
        """Return answers [W, T, F]."""
        padded_WDT = F.pad(states_WTD.transpose(1, 2), (0, self.kernel_size[0] - 1))
        return super().forward(padded_WDT).transpose(1, 2)

    def exportable(self) -> nn.Module:
        """What takes its place in ONNX."""
        return OnnxConvolution(self)


class OnnxConvolution(nn.Module):
    """What `Convolution` computes, as one matrix product and a sum of shifted answers.

    onnxruntime's integer convolution takes four times as long as the one in float32, its integer matrix product half
    as long.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, convolution: Convolution):
        super().__init__()
        self.width, self.num_filters = convolution.kernel_size[0], convolution.out_channels
        weight_DXF = convolution.weight.detach().permute(1, 2, 0)  # X tokens under a filter
        self.register_buffer("weight", weight_DXF.flatten(1).contiguous())
        self.register_buffer("bias", cast(Tensor, convolution.bias).detach())

    def forward(self, states_WTD: Tensor) -> Tensor:
        """Answers [W, T, F]."""
        num_tokens = states_WTD.shape[1]
        padded = F.pad(states_WTD @ self.weight, (0, 0, 0, self.width - 1))
        places = padded.split(self.num_filters, dim=2)
        shifted = [answers[:, place : place + num_tokens] for place, answers in enumerate(places)]
        return torch.stack(shifted).sum(0) + self.bias


class TextCnn(nn.Module):
    """Embeddings, a convolution for each width, ReLU, max over time, dropout and a linear head.

    A filter begins at every token of the document and sees zeros behind its end, so that a document which is shorter
    than a filter has an answer too, and padding is never seen nor chosen.
    """

    family = "text_cnn"

    def __init__(
        self,
        embeddings: nn.Embedding | LowRankEmbedding,
        widths: Sequence[int],
        num_filters: int | Sequence[int],
        num_labels: int,
    ):
        """`num_filters` is of all widths or, once filters have been pruned, of each."""
        super().__init__()
        numbers = [num_filters] * len(widths) if isinstance(num_filters, int) else num_filters
        self.embeddings = embeddings
        self.convolutions = nn.ModuleList(
            Convolution(embeddings.embedding_dim, number, width) for number, width in zip(numbers, widths, strict=True)
        )
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(sum(numbers), num_labels)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def build(
        cls, settings: Mapping[str, Any], *, tokens: Path, weights: Path, pretrained: Path | None, num_labels: int
    ) -> "TextCnn":
        """A new model for the tokens; see `build_embeddings`. Raises: UnusableWeights."""
        embeddings = build_embeddings(settings, tokens=tokens, weights=weights, pretrained=pretrained)
        return cls(embeddings, settings["widths"], settings["num_filters"], num_labels)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> "TextCnn":
        """Build an untrained model of the shape that `architecture` describes."""
        embeddings = embeddings_of(architecture)
        return cls(embeddings, architecture["widths"], architecture["num_filters"], architecture["num_labels"])

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON."""
        numbers = [convolution.out_channels for convolution in self._convolutions()]
        return {
            **describe_embeddings(self.embeddings),
            "widths": [convolution.kernel_size[0] for convolution in self._convolutions()],
            "num_filters": numbers[0] if len(set(numbers)) == 1 else numbers,
            "num_labels": self.head.out_features,
        }

    def set_dropout(self, rate: float) -> None:
        """Set the dropout of the pooled features, as in the paper."""
        self.dropout.p = rate

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the input to the output: embeddings, convolutions, head."""
        return [list(part.parameters()) for part in (self.embeddings, self.convolutions, self.head)]

    def forward(self, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
        """Return logits of shape [W, C], float32 or the autocast type."""
        embedded_WTD = self.embeddings(input_ids_WT)
        mask_WT1 = attention_mask_WT.unsqueeze(2).to(embedded_WTD.dtype)
        pooled = []
        for convolution in self._convolutions():
            answers_WTF = F.relu(convolution(embedded_WTD * mask_WT1)) * mask_WT1  # zero, which no answer is below
            pooled.append(answers_WTF.amax(1))
        return self.head(self.dropout(torch.cat(pooled, dim=1)))

    def prunable(self) -> dict[str, list[Units]]:
        """Units that can leave, by kind: the filters of each width, and the embeddings' width."""
        filters, first = [], 0
        for convolution in self._convolutions():
            number = convolution.out_channels
            read = places(self.head, each(number, first), dim=1, is_gate=True)
            filters.append(Units([*places(convolution, each(number), dim=0), *read]))
            first += number
        columns = each(self.embeddings.embedding_dim)
        width = [*places(self.embeddings, columns, dim=1)]
        for convolution in self._convolutions():
            width += places(convolution, columns, dim=1, is_gate=True)
        return {"filters": filters, "width": [Units(width)]}

    def keep(self, kind: str, kept: Sequence[Sequence[int]]) -> None:
        """Keep the units of a kind with these indices in each group, in place."""
        keep_units(self.prunable()[kind], kept)

    def _convolutions(self) -> list[Convolution]:
        return [cast(Convolution, convolution) for convolution in self.convolutions]
