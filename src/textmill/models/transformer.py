"""A pretrained encoder of transformers with a pooled classification head.

Shape suffixes: B documents, T tokens, D hidden size, C classes.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from textmill.artifacts import read_json
from textmill.errors import UserError
from textmill.models.vocabulary import transfer_vocabulary

Pooling = Literal["mean", "cls"]

# Encoders whose layers are `attention.self` (query, key, value), `attention.output`, `intermediate` and `output`.
BERT_LIKE = {"bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"}


class UnusableWeights(UserError):
    """The weights folder does not hold an encoder that transformers can load."""


class UnsupportedArchitecture(UserError):
    """A compression method needs BERT-like layers and the encoder has others."""


class Transformer(nn.Module):
    """Encoder, pooling over the document's tokens, dropout and a linear head.

    The attention-probability dropout is zero: above it, SDPA leaves its fused kernel and a CPU trains at half
    the speed. `dropout` regularises the hidden states and the pooled vector instead.
    """

    family = "transformer"

    def __init__(self, encoder: nn.Module, num_labels: int, pooling: Pooling):
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(encoder.config.hidden_size, num_labels)  # type: ignore[union-attr, arg-type]
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def build(
        cls, settings: Mapping[str, Any], *, tokens: Path, weights: Path, pretrained: Path | None, num_labels: int
    ) -> "Transformer":
        """A new head on the encoder of `pretrained`, or else of `weights`, made to read the tokens.

        Args:
            settings: model.transformer of params.yaml.
            tokens: data/tokens; if its tokenizer was trained, the embeddings are transferred to its vocabulary.
            pretrained: an encoder that reads these tokens already, or None.

        Raises: UnusableWeights.
        """
        model = cls.from_weights(pretrained or weights, num_labels, settings["pooling"])
        if not pretrained and read_json(tokens / "tokens.json")["tokenizer"]["kind"] == "trained":
            transfer_vocabulary(model.encoder, weights / "tokenizer.json", tokens / "tokenizer.json")
        return model

    @classmethod
    def from_weights(cls, folder: Path, num_labels: int, pooling: Pooling) -> "Transformer":
        """Load pretrained weights from a local folder; the head is new, drawn from torch's generator.

        Raises:
            UnusableWeights: the folder has no config or no safetensors that fit it.
        """
        from safetensors import SafetensorError
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # 100 tensors of a local file
        if not (folder / "config.json").is_file():
            raise UnusableWeights(
                f"model.weights: {folder} has no config.json. It must be a folder saved by "
                "transformers' save_pretrained: config.json, model.safetensors, tokenizer.json."
            )
        try:
            # use_safetensors: a .bin file is a pickle, and a pickle can run code
            encoder = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise UnusableWeights(f"model.weights: {folder} cannot be loaded: {error}") from error
        return cls(_without_unused(encoder), num_labels, pooling)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> "Transformer":
        """Build an untrained model of the shape that `architecture` describes."""
        from transformers import AutoConfig, AutoModel

        values = dict(architecture["config"])
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        encoder = AutoModel.from_config(config)
        model = cls(_without_unused(encoder), architecture["num_labels"], architecture["pooling"])
        if "layers" in architecture:
            for layer, shape in zip(model.layers, architecture["layers"], strict=True):
                keep_heads(layer, range(shape["num_heads"]))
                keep_feed_forward(layer, range(shape["feed_forward"]))
        return model

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON."""
        config = cast(Any, self.encoder.config).to_diff_dict()
        for key in ("_name_or_path", "transformers_version", "dtype"):
            config.pop(key, None)
        config["model_type"] = cast(Any, self.encoder.config).model_type
        result = {"config": config, "num_labels": self.head.out_features, "pooling": self.pooling}
        if _is_bert_like(self.encoder):
            result["layers"] = [
                {"num_heads": num_heads(layer), "feed_forward": layer.intermediate.dense.out_features}
                for layer in self.layers
            ]
        return result

    def set_dropout(self, rate: float) -> None:
        """Set the rate of every dropout; in BERT-like layers that of the attention probabilities stays zero."""
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = rate
        for layer in self.layers if _is_bert_like(self.encoder) else []:
            layer.attention.self.dropout.p = 0.0

    def forward(self, input_ids_BT: Tensor, attention_mask_BT: Tensor) -> Tensor:
        """Return logits of shape [B, C], float32 or the autocast type."""
        states_BTD = self.encoder(input_ids=input_ids_BT, attention_mask=attention_mask_BT).last_hidden_state
        if self.pooling == "cls":
            pooled_BD = states_BTD[:, 0]
        else:
            mask_BT1 = attention_mask_BT.unsqueeze(-1).to(states_BTD.dtype)
            pooled_BD = (states_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1)
        return self.head(self.dropout(pooled_BD))

    @property
    def layers(self) -> Any:
        """The encoder's blocks, first to last. Raises: UnsupportedArchitecture."""
        if not _is_bert_like(self.encoder):
            raise UnsupportedArchitecture(
                f"model.weights: {type(self.encoder).__name__} has no BERT-like layers, which prune and "
                "distill work on. Use recipes without these methods, or weights of model_type "
                f"{', '.join(sorted(BERT_LIKE))}."
            )
        return cast(Any, self.encoder).encoder.layer

    def with_layers(self, kept: Sequence[int]) -> "Transformer":
        """A copy that has only the layers with these indices."""
        model = copy.deepcopy(self)
        cast(Any, model.encoder).encoder.layer = nn.ModuleList([model.layers[i] for i in kept])
        cast(Any, model.encoder.config).num_hidden_layers = len(kept)
        return model


def num_heads(layer: nn.Module) -> int:
    attention = cast(Any, layer).attention.self
    return attention.query.out_features // attention.attention_head_size


def keep_heads(layer: nn.Module, kept: Sequence[int]) -> None:
    """Shrink a BERT-like layer's attention to the heads with these indices, in place."""
    from transformers.pytorch_utils import prune_linear_layer

    attention = cast(Any, layer).attention
    size = attention.self.attention_head_size
    index = torch.LongTensor([head * size + i for head in kept for i in range(size)])
    for name in ("query", "key", "value"):
        setattr(attention.self, name, prune_linear_layer(getattr(attention.self, name), index))
    attention.output.dense = prune_linear_layer(attention.output.dense, index, dim=1)
    attention.self.num_attention_heads = len(kept)
    attention.self.all_head_size = len(kept) * size


def keep_feed_forward(layer: nn.Module, kept: Sequence[int]) -> None:
    """Shrink a BERT-like layer's feed-forward block to the units with these indices, in place."""
    from transformers.pytorch_utils import prune_linear_layer

    block, index = cast(Any, layer), torch.LongTensor(list(kept))
    block.intermediate.dense = prune_linear_layer(block.intermediate.dense, index)
    block.output.dense = prune_linear_layer(block.output.dense, index, dim=1)


def _is_bert_like(encoder: nn.Module) -> bool:
    return cast(Any, encoder.config).model_type in BERT_LIKE


def _without_unused(encoder: nn.Module) -> nn.Module:
    """Drop BERT's own pooler: we pool ourselves, and an unused weight would still be trained and shipped."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # type: ignore[assignment]
    return encoder
