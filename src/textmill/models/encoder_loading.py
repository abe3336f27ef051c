"""Encoders of transformers: loaded from a folder with nothing missing, or new ones of the shape that a config says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from textmill.artifacts import read_json
from textmill.errors import UserError
from textmill.models.encoder_config import InvalidConfig, first_line, new_config, prepared
from textmill.models.encoder_parts import find_dropout, num_positions
from textmill.models.weight_files import UnusableWeights, check_files


def load_encoder(folder: Path) -> nn.Module:
    """Load pretrained weights from a local folder, without the heads that they may have.

    Raises:
        UnusableWeights: the folder has no config, no safetensors, or tensors that do not fit the config.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.utils import logging

    config = read_config(folder)
    check_files(folder)
    logging.disable_progress_bar()  # 100 tensors of a local file
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a report of missing and unexpected tensors; we refuse or do not mind
    try:
        # use_safetensors: a .bin file is a pickle, and a pickle can run code
        encoder, info = AutoModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # so that we can name them
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise UnusableWeights(
            f"model.weights: {folder} cannot be loaded: {first_line(error)}. Fetch the weights anew, or name others."
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    encoder = _finished(encoder)
    _check_complete(folder, encoder, info)
    return encoder


def read_config(folder: Path) -> Any:
    """The config of a folder of weights, prepared for `find_dropout`. Raises: UnusableWeights."""
    from transformers import CONFIG_MAPPING, AutoConfig

    path = folder / "config.json"
    if not path.is_file():
        raise UnusableWeights(
            f"model.weights: {folder} has no config.json. It must be a folder saved by "
            "transformers' save_pretrained: config.json, model.safetensors, tokenizer.json."
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of a dozen kinds: no JSON, no model_type, values that the model's own checks refuse
        values = _read_json(path)
        if "auto_map" in values and values.get("model_type") not in CONFIG_MAPPING:
            raise UnusableWeights(
                f"model.weights: {folder} is a model of its own code (auto_map in config.json), which textmill does "
                "not run: code that comes with weights could do anything. Use weights of an architecture that "
                "transformers has itself."
            ) from None
        raise UnusableWeights(f"model.weights: {path} cannot be used: {first_line(error)}") from None
    if config.is_encoder_decoder:
        raise UnusableWeights(
            f"model.weights: {folder} is of model_type {config.model_type}, an encoder with a decoder, which reads "
            "two texts. Use an encoder (such as bert) or a decoder (such as gpt2)."
        )
    return prepared(config)


def build_encoder(values: Mapping[str, Any], tokens: Path) -> nn.Module:
    """An untrained encoder of the shape that model.transformer.config says, for the tokens in data/tokens.

    Raises: InvalidConfig.
    """
    encoder = encoder_of(new_config(values, tokens))
    try:  # some numbers fit together only when they are used, such as heads of keys and of queries
        with torch.no_grad():
            encoder(input_ids=torch.zeros(1, 2, dtype=torch.int64), attention_mask=torch.ones(1, 2, dtype=torch.int64))
    except (RuntimeError, ValueError, IndexError) as error:
        raise InvalidConfig(
            f"model.transformer.config makes a model of type {values['model_type']} that cannot compute: "
            f"{first_line(error)}"
        ) from error
    return encoder


def encoder_of(config: Any) -> nn.Module:
    """An untrained encoder, its weights drawn from torch's generator. Raises: InvalidConfig."""
    from transformers import AutoModel

    try:
        return _finished(AutoModel.from_config(config))
    except Exception as error:  # whatever an architecture does not like about its numbers
        raise InvalidConfig(
            f"model.transformer.config makes no model of type {config.model_type}: {first_line(error)}"
        ) from error


def check_fits(encoder: nn.Module, tokens: Path, source: str) -> None:
    """Whether the encoder can read the tokens: enough embeddings and positions.

    Args:
        source: what the message calls the encoder.

    Raises: UnusableWeights.
    """
    meta = read_json(tokens / "tokens.json")
    num_embeddings = len(encoder.get_input_embeddings().weight)  # type: ignore[operator]
    if num_embeddings < meta["vocabulary_size"]:
        raise UnusableWeights(
            f"{source} has embeddings for {num_embeddings} tokens, but its tokenizer has {meta['vocabulary_size']}: "
            "config.json and tokenizer.json do not belong together. Fetch the weights anew."
        )
    positions = num_positions(encoder)
    if positions is not None and meta["max_length"] > positions:
        config: Any = encoder.config
        key = config.attribute_map.get("max_position_embeddings", "max_position_embeddings")
        raise UnusableWeights(
            f"tokenize.max_length is {meta['max_length']}, but {source} has {positions} positions ({key}). Set "
            f"max_length to {positions} or less; a model that is built from model.transformer.config can have more: "
            f"{key} there."
        )


def _finished(encoder: Any) -> Any:
    """Drop BERT's own pooler: we pool ourselves, and an unused weight would still be trained and shipped."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    find_dropout(encoder)
    return encoder


def _check_complete(folder: Path, encoder: nn.Module, info: Mapping[str, Any]) -> None:
    """transformers fills what it did not find with random numbers, and only warns."""
    wanted = {name for name, _ in encoder.named_parameters()}
    mismatched = {name: (found, needed) for name, found, needed in info["mismatched_keys"] if name in wanted}
    if mismatched:
        name, (found, needed) = sorted(mismatched.items())[0]
        raise UnusableWeights(
            f"model.weights: {folder} does not fit its config.json: {name} has the shape {list(found)}, and "
            f"config.json asks for {list(needed)} ({len(mismatched)} tensors in all). Fetch both files of one model."
        )
    missing = sorted(name for name in info["missing_keys"] if name in wanted)
    if missing:
        raise UnusableWeights(
            f"model.weights: {folder} lacks {len(missing)} of {len(wanted)} tensors that its config.json "
            f"({encoder.config.model_type}) asks for, such as {', '.join(missing[:3])}. "  # type: ignore[union-attr]
            "They would be random numbers. Fetch the weights anew, or correct model_type and num_hidden_layers."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (UserError, TypeError, ValueError):
        return {}
