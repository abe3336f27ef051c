"""What each row of docs/results.md sets on top of its dataset's preset, and the published figures beside it."""

from typing import Any, NamedTuple

DATASETS = ("bbc-news", "reuters-r8", "20-newsgroups")
SEEDS = [10, 20, 30]  # ten apart: an ensemble takes the ones that follow
FAMILIES = ("baseline", "bag_of_embeddings", "text_cnn", "lstm", "transformer")


class Reference(NamedTuple):
    model: str
    accuracy: float  # on the same published test set, in percent
    source: str


_WIDE_MLP = "[Galke and Scherp 2022](https://aclanthology.org/2022.acl-long.279)"
_BERT_GCN = "[Lin et al. 2021](https://aclanthology.org/2021.findings-acl.126)"
_TEXT_GCN = "[Yao et al. 2019](https://arxiv.org/abs/1809.05679)"
REFERENCES = {
    "reuters-r8": [
        Reference("wide MLP on bags of words", 97.3, _WIDE_MLP),
        Reference("BERT", 97.8, _BERT_GCN),
        Reference("TextGCN", 97.1, _TEXT_GCN),
        Reference("RoBERTaGCN", 98.2, _BERT_GCN),
    ],
    "20-newsgroups": [
        Reference("wide MLP on bags of words", 84.2, _WIDE_MLP),
        Reference("BERT", 85.3, _BERT_GCN),
        Reference("TextGCN", 86.3, _TEXT_GCN),
        Reference("RoBERTaGCN", 89.5, _BERT_GCN),
    ],
}

_ALL: dict[str, Any] = {"tune.num_trials": 0}
_FAMILIES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "bag_of_embeddings": {
        "training.batch_size": 32,
        "tune.fixed": {"learning_rate": 5.0e-3, "dropout": 0.3},
        "train.epochs": 10,
        "train.patience": 4,
    },
    "text_cnn": {
        "training.batch_size": 32,
        "tune.fixed": {"learning_rate": 1.0e-3, "dropout": 0.5},
        "train.epochs": 8,
        "train.patience": 3,
    },
    "lstm": {
        "training.batch_size": 32,
        "tune.fixed": {"learning_rate": 2.0e-3, "dropout": 0.3},
        "train.epochs": 10,
        "train.patience": 4,
    },
    "transformer": {
        "training.batch_size": 16,
        "tune.fixed": {"learning_rate": 1.0e-4, "dropout": 0.1},
        "train.epochs": 5,
        "train.patience": 3,
    },
}
# Tokens of a document: cheap families read more of it.
_LENGTHS: dict[str, dict[str, int]] = {
    "bbc-news": {"transformer": 256, "lstm": 256, "text_cnn": 256, "bag_of_embeddings": 512},
    "reuters-r8": {"transformer": 256, "lstm": 256, "text_cnn": 256, "bag_of_embeddings": 512},
    "20-newsgroups": {"transformer": 256, "lstm": 256, "text_cnn": 256, "bag_of_embeddings": 512},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "long": {"tokenize.max_length": 512},
    "windows": {
        "tokenize.long_documents": {"strategy": "windows", "head_share": 0.25, "overlap": 32, "max_windows": 4}
    },
    "pretrained": {"pretrain.objective": "mlm", "pretrain.epochs": 10},
    "ensemble": {"train.num_seeds": 3, "train.ensemble": True},
    "best": {
        "tokenize.max_length": 512,
        "pretrain.objective": "mlm",
        "pretrain.epochs": 10,
        "train.num_seeds": 3,
        "train.ensemble": True,
    },
}


def settings_of(data: str, family: str, variant: str | None) -> dict[str, Any]:
    """What the row sets, by dotted key of params.yaml; a variant of another name sets nothing more."""
    length = _LENGTHS[data].get(family)
    return {
        **_ALL,
        **_FAMILIES[family],
        **({"tokenize.max_length": length} if length else {}),
        **(VARIANTS.get(variant, {}) if variant else {}),
    }
