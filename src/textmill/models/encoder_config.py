"""Configs of transformers: from params.yaml, with what the tokens decide filled in."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from textmill.artifacts import read_json
from textmill.errors import UserError
from textmill.models.encoder_parts import mark_dropout

# What a config says of the tokens is taken from data/tokens. In order of preference, by the two conventions.
_BEGIN = ("[CLS]", "<s>", "<|begin_of_text|>", "<bos>", "<|im_start|>", "<|endoftext|>")
_END = ("[SEP]", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>", "<|endoftext|>")
_FILLED = {
    "bos_token_id": _BEGIN,
    "cls_token_id": _BEGIN,
    "eos_token_id": _END,
    "sep_token_id": _END,
    "mask_token_id": ("[MASK]", "<mask>"),
}


class InvalidConfig(UserError):
    """model.transformer.config describes no model."""


def new_config(values: Mapping[str, Any], tokens: Path) -> Any:
    """A config of transformers for model.transformer.config; vocabulary and special tokens are filled in.

    Raises:
        InvalidConfig: an unknown model_type or key, a value of the wrong type, a key that is filled in, or fewer
            positions than tokenize.max_length.
    """
    from transformers import CONFIG_MAPPING

    others = dict(values)
    kind = _check_type(others.pop("model_type", None))
    _check_filled(others)
    meta = read_json(tokens / "tokens.json")
    tokenizer = Tokenizer.from_file(str(tokens / "tokenizer.json"))
    filled: dict[str, Any] = {"vocab_size": meta["vocabulary_size"], "pad_token_id": meta["pad_id"]}
    known = CONFIG_MAPPING[kind]().to_dict()
    for key, names in _FILLED.items():
        if key in known:
            ids = (tokenizer.token_to_id(name) for name in names)
            filled[key] = next((number for number in ids if number is not None), None)
    try:
        config = CONFIG_MAPPING[kind](**others, **filled)
        _check_keys(others, CONFIG_MAPPING[kind])
    except InvalidConfig:
        raise
    except Exception as error:  # the checks of the architecture's own config
        raise InvalidConfig(f"model.transformer.config: {first_line(error)}") from error
    return prepared(config)


def config_of(values: Mapping[str, Any]) -> Any:
    """A config from what `Transformer.architecture` gave."""
    from transformers import AutoConfig

    others = dict(values)
    return prepared(AutoConfig.for_model(others.pop("model_type"), **others))


def prepared(config: Any) -> Any:
    mark_dropout(config)
    config.use_cache = False  # of keys and values, for generating text
    return config


def is_causal(config: Any) -> bool:
    """Whether a token sees only those before it, as in GPT-2."""
    causal, masked = _language_models()
    return config.model_type in causal - masked or bool(getattr(config, "is_decoder", False))


def _check_type(kind: Any) -> str:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    causal, masked = _language_models()
    allowed = sorted((causal | masked) & set(MODEL_MAPPING_NAMES) & set(CONFIG_MAPPING))
    if kind not in allowed:
        close = difflib.get_close_matches(str(kind), allowed) or ["bert", "deberta-v2", "modernbert", "gpt2", "llama"]
        raise InvalidConfig(
            f"model.transformer.config: model_type is {kind!r}, which is no text model of transformers. "
            f"Allowed: {', '.join(close)} and {len(allowed) - len(close)} more, the names of its documentation."
        )
    return str(kind)


def _check_filled(given: Mapping[str, Any]) -> None:
    filled = [key for key in given if key in _FILLED or key in ("vocab_size", "pad_token_id")]
    if filled:
        raise InvalidConfig(
            f"model.transformer.config: {', '.join(filled)} is filled in from the tokenizer (data/tokens). "
            "Leave it out."
        )


def _check_keys(given: Mapping[str, Any], cls: Any) -> None:
    """A config keeps any key that it is given; one that changes nothing else is unknown, others are old names."""
    defaults = cls().to_dict()
    allowed = sorted({*defaults, *cls.attribute_map})
    unknown = []
    for key, value in given.items():
        if key not in allowed:
            changed = cls(**{key: value}).to_dict()
            changed.pop(key, None)
            if changed == defaults:
                unknown.append(key)
    if unknown:
        raise InvalidConfig(
            f"model.transformer.config: {cls.model_type} knows no {', '.join(map(repr, unknown))}. "
            f"Allowed: {', '.join(allowed)}."
        )


def _language_models() -> tuple[set[str], set[str]]:
    """model_types of causal and of masked language models."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES), set(MODEL_FOR_MASKED_LM_MAPPING_NAMES)


def first_line(error: Exception) -> str:
    """The libraries' messages, of many lines, as one."""
    return " ".join(str(error).split())[:500]
