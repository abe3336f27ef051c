"""Models of every family with random weights, and token arrays that they can learn in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from textmill.data.tokens import Encoded, write_split
from textmill.models.folder import family
from textmill.models.transformer import Transformer
from textmill.training.settings import Hyperparameters, Settings

VOCABULARY = 50
META = {
    "task": "single_label",
    "labels": ["no", "yes"],
    "target": None,
    "pad_id": 0,
    "max_length": 32,
    "long_documents": {"strategy": "truncate", "head_share": 0.25, "overlap": 0, "max_windows": 1},
    "vocabulary_size": VOCABULARY,
    "tokenizer": {"kind": "weights"},
}
HYPER = Hyperparameters(learning_rate=5e-3, weight_decay=0.01, warmup_fraction=0.1, dropout=0.1)
SETTINGS = Settings(
    batch_size=16, precision="32-true", schedule="linear", gradient_clip=1.0, epochs=3, patience=3, seed=7
)

_SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_POSITIONS = {**_SHAPE, "max_position_embeddings": 64}
# Encoders and decoders by model_type, as in model.transformer.config.
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": _POSITIONS,
    "roberta": _POSITIONS,
    "electra": {**_POSITIONS, "embedding_size": 16},
    "albert": {**_POSITIONS, "embedding_size": 16},
    "deberta-v2": {**_POSITIONS, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {**_POSITIONS, "global_attn_every_n_layers": 2},
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64},
}
DECODERS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "llama": _POSITIONS,
    "qwen2": {**_POSITIONS, "num_key_value_heads": 2},
}
# The block of params.yaml of each family, for models that learn the tokens of `write_tokens` in seconds.
BLOCKS: dict[str, dict[str, Any]] = {
    "transformer": {"pooling": "mean", "config": {"model_type": "bert", **_POSITIONS}},
    "lstm": {"embeddings": "own", "embedding_size": 24, "hidden_size": 16, "num_layers": 2},
    "text_cnn": {"embeddings": "own", "embedding_size": 24, "widths": [2, 3, 4], "num_filters": 10},
    "bag_of_embeddings": {"embeddings": "own", "embedding_size": 24},
}


def tiny_transformer(num_labels: int = 2, num_layers: int = 2, **config: Any) -> Transformer:
    """A BERT; `config` changes its shape."""
    values = {"model_type": "bert", "vocab_size": VOCABULARY, **_POSITIONS, "num_hidden_layers": num_layers, **config}
    torch.manual_seed(0)
    return Transformer.from_architecture({"config": values, "num_labels": num_labels, "pooling": "mean"})


def tiny_encoder(model_type: str, num_labels: int = 2) -> Transformer:
    """Any of ENCODERS and DECODERS."""
    values = {"model_type": model_type, "vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 2}
    values |= {"eos_token_id": 3, **({"cls_token_id": 2, "sep_token_id": 3} if model_type == "modernbert" else {})}
    values |= {**ENCODERS, **DECODERS}[model_type]
    torch.manual_seed(0)
    pooling = "last" if model_type in DECODERS else "mean"
    return Transformer.from_architecture({"config": values, "num_labels": num_labels, "pooling": pooling})


def tiny_model(name: str, tokens: Path, num_labels: int = 2, **block: Any) -> Any:
    """A model of a family with weights of its own, for tokens of `write_tokens`; `block` changes its block."""
    torch.manual_seed(0)
    settings = {**BLOCKS[name], **block}
    return family(name).build(settings, tokens=tokens, weights=tokens, pretrained=None, num_labels=num_labels)


def outspoken(model: Any) -> Any:
    """Make random weights as large as trained ones, in evaluation mode, so that differences show in the logits."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
    return model.eval()


def write_tokens(folder: Path, num_train: int = 160, num_validation: int = 64) -> Path:
    """Documents of 3 to 20 tokens; the class is which of the tokens 10 and 11 a document holds."""
    generator = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in (("train", num_train), ("validation", num_validation)):
        labels = np.arange(size) % 2
        documents = []
        for label in labels:
            words = generator.integers(12, VOCABULARY, generator.integers(2, 20))
            words[generator.integers(len(words))] = 10 + label
            documents.append([2, *words.tolist()])
        write_split(folder, split, [(Encoded.join(documents), labels.astype(np.uint32))], VOCABULARY)
    (folder / "tokens.json").write_text(json.dumps(META))
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def tiny_tokenizer() -> Tokenizer:
    """The words `w5` to `w49` are the tokens 5 to 49."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    names = [*special, *(f"w{number}" for number in range(len(special), VOCABULARY))]
    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return tokenizer
