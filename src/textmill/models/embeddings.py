"""Token embeddings of the families that are no transformers, and pooling over the tokens of a document.

Shape suffixes: W windows, T tokens, V tokens of the vocabulary, D width.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from textmill.artifacts import read_json
from textmill.models.encoder_loading import read_config
from textmill.models.low_rank import LowRankEmbedding
from textmill.models.vocabulary import read_tokenizer, transfer_rows
from textmill.models.weight_files import UnusableWeights, check_files


def build_embeddings(
    settings: Mapping[str, Any], *, tokens: Path, weights: Path, pretrained: Path | None
) -> nn.Embedding:
    """Embeddings for the tokens in data/tokens: new ones, or a copy of those of pretrained weights.

    Args:
        settings: the family's block of params.yaml: `embeddings`, and for new ones `embedding_size`.
        tokens: data/tokens; if its tokenizer is not that of `weights`, their embeddings are transferred to it.
        pretrained: an encoder that reads these tokens already, whose embeddings are taken; or None.

    Raises: UnusableWeights.
    """
    meta = read_json(tokens / "tokens.json")
    size = meta["vocabulary_size"]
    if settings["embeddings"] == "own":
        return new_embeddings(size, settings["embedding_size"])
    weight_VD = read_embeddings(pretrained or weights)
    if not pretrained and meta["tokenizer"]["kind"] != "weights":
        old, new = (read_tokenizer(folder / "tokenizer.json") for folder in (weights, tokens))
        weight_VD, _ = transfer_rows(weight_VD, old, new)
    if len(weight_VD) < size:
        raise UnusableWeights(
            f"model.weights: {weights} has embeddings for {len(weight_VD)} tokens, but its tokenizer has {size}: "
            "config.json and tokenizer.json do not belong together. Fetch the weights anew."
        )
    return nn.Embedding.from_pretrained(weight_VD[:size].clone(), freeze=False)  # weights may have spare rows


def new_embeddings(num_tokens: int, width: int) -> nn.Embedding:
    """Xavier-uniform embeddings, drawn from torch's generator."""
    embeddings = nn.Embedding(num_tokens, width)
    nn.init.xavier_uniform_(embeddings.weight)
    return embeddings


def embeddings_of(architecture: Mapping[str, Any]) -> nn.Embedding | LowRankEmbedding:
    """Untrained embeddings of the shape that `describe_embeddings` gave."""
    size, width = architecture["vocabulary_size"], architecture["embedding_size"]
    if rank := architecture.get("embedding_rank"):
        return LowRankEmbedding(size, rank, width)
    return new_embeddings(size, width)


def describe_embeddings(embeddings: nn.Embedding | LowRankEmbedding) -> dict[str, int]:
    """What `embeddings_of` needs, as plain JSON."""
    shape = {"vocabulary_size": embeddings.num_embeddings, "embedding_size": embeddings.embedding_dim}
    return {**shape, "embedding_rank": embeddings.rank} if isinstance(embeddings, LowRankEmbedding) else shape


def read_embeddings(folder: Path) -> Tensor:
    """The token embeddings of a folder of weights: float32 [V, D]. No other tensor is read.

    Raises:
        UnusableWeights: the folder has no config or no safetensors, or none of the tensors is the embeddings.
    """
    from safetensors import SafetensorError, safe_open

    name, shape = _find_parameter(folder)
    check_files(folder)
    try:
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                # A checkpoint with a head has a prefix: `bert.embeddings.word_embeddings.weight`.
                for key in list(file.keys()):
                    if key == name or key.endswith(f".{name}"):
                        return _checked(folder, key, file.get_tensor(key).float(), shape)
    except (OSError, SafetensorError) as error:
        raise UnusableWeights(f"model.weights: {folder} cannot be loaded: {error}. Fetch the weights anew.") from error
    raise UnusableWeights(
        f"model.weights: {folder} holds no token embeddings: no tensor is called {name}. Fetch the weights anew, or "
        "set embeddings to own."
    )


def _find_parameter(folder: Path) -> tuple[str, torch.Size]:
    """Name and shape of the token embeddings in the architecture that config.json names, which is not filled."""
    from transformers import AutoModel

    with torch.device("meta"):
        skeleton = AutoModel.from_config(read_config(folder))
    weight = skeleton.get_input_embeddings().weight
    return next(name for name, parameter in skeleton.named_parameters() if parameter is weight), weight.shape


def _checked(folder: Path, key: str, weight_VD: Tensor, shape: torch.Size) -> Tensor:
    if weight_VD.shape != shape:
        raise UnusableWeights(
            f"model.weights: {folder} does not fit its config.json: {key} has the shape {list(weight_VD.shape)}, and "
            f"config.json asks for {list(shape)}. Fetch both files of one model."
        )
    return weight_VD


def mean_over_tokens(states_WTD: Tensor, mask_WT: Tensor) -> Tensor:
    """The mean of the states of tokens that are no padding: [W, D]."""
    mask_WT1 = mask_WT.unsqueeze(-1).to(states_WTD.dtype)
    return (states_WTD * mask_WT1).sum(1) / mask_WT1.sum(1).clamp(min=1)


def max_over_tokens(states_WTD: Tensor, mask_WT: Tensor) -> Tensor:
    """The largest value of each feature among tokens that are no padding, zero where there are none: [W, D]."""
    largest_WD = states_WTD.masked_fill(mask_WT.unsqueeze(-1) == 0, -torch.inf).amax(1)
    return largest_WD.masked_fill(mask_WT.sum(1, keepdim=True) == 0, 0.0)
