"""The mean of a document's token embeddings and a linear layer: the fastest family.

Iyyer et al.: Deep Unordered Composition Rivals Syntactic Methods for Text Classification, ACL 2015
(https://aclanthology.org/P15-1162), without hidden layers, as in Joulin et al.: Bag of Tricks for Efficient Text
Classification, EACL 2017 (https://aclanthology.org/E17-2068).

Shape suffixes: W windows (documents, or parts of them), T tokens, D width, C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from textmill.models.embeddings import build_embeddings, describe_embeddings, embeddings_of, mean_over_tokens
from textmill.models.low_rank import LowRankEmbedding
from textmill.models.units import Units, each, keep_units, places


class BagOfEmbeddings(nn.Module):
    """Embeddings, their mean over the document's tokens, dropout and a linear head."""

    family = "bag_of_embeddings"

    def __init__(self, embeddings: nn.Embedding | LowRankEmbedding, num_labels: int):
        super().__init__()
        self.embeddings = embeddings
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(embeddings.embedding_dim, num_labels)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def build(
        cls, settings: Mapping[str, Any], *, tokens: Path, weights: Path, pretrained: Path | None, num_labels: int
    ) -> "BagOfEmbeddings":
        """A new model for the tokens; see `build_embeddings`. Raises: UnusableWeights."""
        return cls(build_embeddings(settings, tokens=tokens, weights=weights, pretrained=pretrained), num_labels)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> "BagOfEmbeddings":
        """Build an untrained model of the shape that `architecture` describes."""
        embeddings = embeddings_of(architecture)
        return cls(embeddings, architecture["num_labels"])

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON."""
        return {
            **describe_embeddings(self.embeddings),
            "num_labels": self.head.out_features,
        }

    def set_dropout(self, rate: float) -> None:
        """Set the dropout of the mean."""
        self.dropout.p = rate

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the input to the output: embeddings, head."""
        return [list(self.embeddings.parameters()), list(self.head.parameters())]

    def forward(self, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
        """Return logits of shape [W, C], float32 or the autocast type."""
        mean_WD = mean_over_tokens(self.embeddings(input_ids_WT), attention_mask_WT)
        return self.head(self.dropout(mean_WD))

    def prunable(self) -> dict[str, list[Units]]:
        """Units that can leave, by kind: the width."""
        columns = each(self.embeddings.embedding_dim)
        read = places(self.head, columns, dim=1, is_gate=True)
        return {"width": [Units([*places(self.embeddings, columns, dim=1), *read])]}

    def keep(self, kind: str, kept: Sequence[Sequence[int]]) -> None:
        """Keep the units of a kind with these indices in each group, in place."""
        keep_units(self.prunable()[kind], kept)
