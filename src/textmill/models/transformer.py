"""An encoder or decoder of transformers with a pooled classification head.

Shape suffixes: W windows (documents, or parts of them), T tokens, D hidden size, C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from textmill.artifacts import read_json
from textmill.errors import UserError
from textmill.models import encoder_parts
from textmill.models.bert_layers import (
    bert_layers,
    feed_forward,
    heads,
    is_bert_like,
    keep_feed_forward,
    keep_heads,
    keep_width,
    num_heads,
    width,
)
from textmill.models.dropout import use_byte_dropout
from textmill.models.embeddings import mean_over_tokens
from textmill.models.encoder_config import config_of, is_causal
from textmill.models.encoder_loading import build_encoder, check_fits, encoder_of, load_encoder
from textmill.models.low_rank import make_low_rank, rank_of
from textmill.models.packing import packed_states, set_training_attention
from textmill.models.units import Units
from textmill.models.vocabulary import transfer_vocabulary

Pooling = Literal["mean", "cls", "last"]


class UnfitPooling(UserError):
    """The pooling takes a token that has not seen the others."""


class Transformer(nn.Module):
    """Encoder, pooling over the document's tokens, dropout and a linear head.

    The attention-probability dropout is zero: above it, SDPA leaves its fused kernel and a CPU trains at half
    the speed. `dropout` regularises the hidden states and the pooled vector instead.
    """

    family = "transformer"

    def __init__(self, encoder: nn.Module, num_labels: int, pooling: Pooling):
        super().__init__()
        if pooling == "cls" and is_causal(encoder.config):
            raise UnfitPooling(
                f"model.transformer.pooling is cls, but in {type(encoder).__name__}, a decoder, the first token sees "
                "no other. Set it to last or mean."
            )
        self.encoder = encoder
        self.pooling = pooling
        self._packs = False
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(cast(Any, encoder.config).hidden_size, num_labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        use_byte_dropout(self)

    @classmethod
    def build(
        cls, settings: Mapping[str, Any], *, tokens: Path, weights: Path, pretrained: Path | None, num_labels: int
    ) -> "Transformer":
        """A new head on the encoder of `pretrained`, or of `settings["config"]`, or else of `weights`.

        Args:
            settings: model.transformer of params.yaml.
            tokens: data/tokens; if its tokenizer is not that of `weights`, their embeddings are transferred to its
                vocabulary.
            pretrained: an encoder that reads these tokens already, or None.

        Raises: UnusableWeights, InvalidConfig, UnfitPooling.
        """
        if pretrained:
            encoder, source = load_encoder(pretrained), str(pretrained)
        elif settings["config"] is not None:
            encoder, source = build_encoder(settings["config"], tokens), "model.transformer.config"
        else:
            encoder, source = load_encoder(weights), f"model.weights ({weights.name})"
            if read_json(tokens / "tokens.json")["tokenizer"]["kind"] != "weights":
                transfer_vocabulary(encoder, weights / "tokenizer.json", tokens / "tokenizer.json")
        check_fits(encoder, tokens, source)
        return cls(encoder, num_labels, settings["pooling"])

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> "Transformer":
        """Build an untrained model of the shape that `architecture` describes."""
        encoder = encoder_of(config_of(architecture["config"]))
        model = cls(encoder, architecture["num_labels"], architecture["pooling"])
        if "layers" in architecture:
            for layer, shape in zip(model.layers, architecture["layers"], strict=True):
                keep_heads(layer, range(shape["num_heads"]))
                keep_feed_forward(layer, range(shape["feed_forward"]))
        if "width" in architecture:
            keep_width(encoder, model.head, range(architecture["width"]))
        if "embedding_rank" in architecture:
            make_low_rank(model, architecture["embedding_rank"])
        return model

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON."""
        config = cast(Any, self.encoder.config).to_diff_dict()
        for key in ("_name_or_path", "transformers_version", "dtype"):
            config.pop(key, None)
        config["model_type"] = cast(Any, self.encoder.config).model_type
        result = {"config": config, "num_labels": self.head.out_features, "pooling": self.pooling}
        if is_bert_like(self.encoder):
            result["layers"] = [
                {"num_heads": num_heads(layer), "feed_forward": layer.intermediate.dense.out_features}
                for layer in self.layers
            ]
        if self.head.in_features != cast(Any, self.encoder.config).hidden_size:
            result["width"] = self.head.in_features
        if rank := rank_of(self):
            result["embedding_rank"] = rank
        return result

    def set_dropout(self, rate: float) -> None:
        """Set the dropout of hidden states and of the pooled vector; that of attention probabilities stays zero."""
        self.dropout.p = rate
        encoder_parts.set_hidden_dropout(self.encoder, rate)

    def set_training(self, on: bool, packing: bool = False) -> None:
        """Attend the way that trains fastest; with `packing`, without the padding between documents.

        Raises: UnpackableEncoder.
        """
        set_training_attention(self.encoder, on, packing)
        self._packs = on and packing

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the input to the output: embeddings, each block, what follows the last one, the head."""
        return [*encoder_parts.depth_groups(self.encoder), list(self.head.parameters())]

    def forward(self, input_ids_WT: Tensor, attention_mask_WT: Tensor) -> Tensor:
        """Return logits of shape [W, C], float32 or the autocast type."""
        if self._packs:
            states_WTD = packed_states(self.encoder, input_ids_WT, attention_mask_WT)
        else:
            states_WTD = self.encoder(input_ids=input_ids_WT, attention_mask=attention_mask_WT).last_hidden_state
        return self.head(self.dropout(self._pool(states_WTD, attention_mask_WT)))

    def _pool(self, states_WTD: Tensor, mask_WT: Tensor) -> Tensor:
        if self.pooling == "cls":
            return states_WTD[:, 0]
        if self.pooling == "last":  # of the tokens that are no padding
            places_T = torch.arange(mask_WT.shape[1], device=mask_WT.device)
            last_W11 = (mask_WT * places_T).argmax(dim=1)[:, None, None]
            return states_WTD.gather(1, last_W11.expand(-1, -1, states_WTD.shape[2])).squeeze(1)
        return mean_over_tokens(states_WTD, mask_WT)

    @property
    def layers(self) -> Any:
        """The BERT-like blocks, first to last. Raises: UnsupportedArchitecture."""
        return bert_layers(self.encoder)

    def prunable(self) -> dict[str, list[Units]]:
        """Units that can leave, by kind, in the groups in which they stand beside each other."""
        if not is_bert_like(self.encoder):
            return {}
        return {
            "heads": [heads(layer) for layer in self.layers],
            "feed_forward": [feed_forward(layer) for layer in self.layers],
            "width": [width(self.encoder, self.head)],
        }

    def keep(self, kind: str, kept: Sequence[Sequence[int]]) -> None:
        """Keep the units of a kind with these indices in each group, in place."""
        if kind == "width":
            keep_width(self.encoder, self.head, kept[0])
            return
        shrink = {"heads": keep_heads, "feed_forward": keep_feed_forward}[kind]
        for layer, indices in zip(self.layers, kept, strict=True):
            shrink(layer, indices)
