"""A tokenizer without some of its tokens."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textmill.compression.vocabulary.pieces import renumber


def trim_tokenizer(tokenizer: Tokenizer, kept: NDArray[np.int64]) -> Tokenizer:
    """The tokenizer with only the tokens of the ids `kept`, ascending, which become 0, 1, ... in this order.

    Args:
        kept: closed as `select_tokens` makes it: with each token what it stands on.
    """
    written = json.loads(tokenizer.to_str())
    new_ids = {int(old): new for new, old in enumerate(kept)}
    model = written["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [piece for number, piece in enumerate(model["vocab"]) if number in new_ids]
        model["unk_id"] = None if model["unk_id"] is None else new_ids[model["unk_id"]]
    else:
        model["vocab"] = {token: new_ids[number] for token, number in model["vocab"].items() if number in new_ids}
    if model["type"] == "BPE":
        model["merges"] = _possible_merges(model)
    for token in written["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    renumber(written["post_processor"], new_ids.__getitem__)
    if written["padding"]:
        written["padding"]["pad_id"] = new_ids[written["padding"]["pad_id"]]
    trimmed = Tokenizer.from_str(json.dumps(written, ensure_ascii=False))
    names = {token: number for token, number in tokenizer.get_vocab().items() if number in new_ids}
    assert trimmed.get_vocab() == {token: new_ids[number] for token, number in names.items()}
    return trimmed


def _possible_merges(model: dict[str, Any]) -> list[list[str]]:
    """Those whose parts and result are left, in their order."""
    vocabulary, length = model["vocab"], len(model["continuing_subword_prefix"] or "")
    return [
        [first, second]
        for first, second in model["merges"]
        if first in vocabulary and second in vocabulary and first + second[length:] in vocabulary
    ]
