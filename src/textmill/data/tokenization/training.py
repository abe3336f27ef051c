"""A tokenizer trained on the train split, in the frame of the weights' own.

Frame: the special tokens, and where they stand around a document, such as [CLS] ... [SEP]; the weights have learned it.

Byte-level BPE and WordPiece give the same tokenizer for the same texts. Unigram does not quite: the library sums
floating-point numbers in the order of a hash map that is seeded anew each time, so that some tokens differ.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from textmill.errors import UserError

MAX_CHARACTERS = 100_000_000  # that are learned from: more changes few tokens, and memory grows with distinct words
_SOME_TEXTS = 64  # whose characters are counted at once
_PREFIX = "##"  # of WordPiece's tokens that continue a word
ReadTexts = Callable[[], Iterable[list[str]]]  # the same texts at each call, in batches


class UntrainableTokenizer(UserError):
    """The settings and the weights' own tokenizer do not go together."""


# Training takes quadratic time in the length of a word; nothing that is worth a token is as long.
_ENDLESS = re.compile(r"(\S{1000})(?=\S)")


def train_tokenizer(
    read: ReadTexts,
    own: Tokenizer,
    pad_token: str,
    *,
    algorithm: str,
    vocabulary_size: int,
    min_frequency: int,
    lowercase: bool,
) -> Tokenizer:
    """Learn a vocabulary of at most `vocabulary_size` tokens; few texts make fewer.

    Args:
        read: the texts to learn from; `wordpiece` reads them three times, `unigram` twice.
        own: the tokenizer of the weights, whose special tokens and post-processor are taken over.
        pad_token: one of its tokens; special tokens keep their order, and come first.
        algorithm: `bpe` spells any text by its 256 bytes. `wordpiece` and `unigram` keep the characters that are
            frequent enough (at most a quarter and half of the vocabulary): others become unknown.

    Raises:
        UntrainableTokenizer: the vocabulary is too small for bytes and special tokens, or the frame cannot be read.
    """
    frame = json.loads(own.to_str())
    unknown = _unknown_token(frame, own, algorithm)
    special = _special_tokens(frame, own, pad_token, unknown)
    room = vocabulary_size - len(special)
    if room < 256:
        raise UntrainableTokenizer(
            f"tokenize.trained.vocabulary_size is {vocabulary_size}, but the tokenizer of the weights has "
            f"{len(special)} special tokens and the bytes or characters of the texts need 256: set it to "
            f"{256 + len(special)} or more."
        )
    settings = {"vocab_size": vocabulary_size, "show_progress": sys.stderr.isatty()}
    if algorithm == "bpe":
        trained = _train_bpe(read, special, lowercase, settings | {"min_frequency": min_frequency})
    elif algorithm == "wordpiece":
        prepared = _prepare(read, lowercase, room // 4)  # a character counts twice: at a word's start, and after it
        trained = _train_wordpiece(prepared, special, unknown, lowercase, settings | {"min_frequency": min_frequency})
    else:
        trained = _train_unigram(_prepare(read, lowercase, room // 2), special, unknown, lowercase, settings)
    return _put_into_frame(trained, frame, special)


def _train_bpe(read: ReadTexts, special: list[str], lowercase: bool, settings: dict[str, Any]) -> Tokenizer:
    """Byte-level BPE; the first word of a text gets a space before it, so that it is the same token as elsewhere."""
    tokenizer = Tokenizer(models.BPE())
    steps = [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else []), normalizers.Prepend(" ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", left=1, right=0)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet, **settings)
    tokenizer.train_from_iterator(read(), trainer)
    assert all(tokenizer.token_to_id(byte) is not None for byte in alphabet)
    return tokenizer


def _train_wordpiece(
    read: ReadTexts, special: list[str], unknown: str, lowercase: bool, settings: dict[str, Any]
) -> Tokenizer:
    """WordPiece with BERT's words.

    The library numbers the tokens that continue a word, such as ##a, in the order of a hash map that is seeded anew
    each time, and lets the number decide between merges of equal frequency. Given to it in order, as if they were
    special, they have the same numbers each time; a first training that merges nothing finds them.
    """

    def train(tokens: list[str], **changes: Any) -> Tokenizer:
        tokenizer = Tokenizer(models.WordPiece({}, unk_token=unknown, max_input_chars_per_word=100))
        bert = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=False)
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), bert])
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece(_PREFIX, cleanup=False)
        trainer = trainers.WordPieceTrainer(
            special_tokens=tokens, continuing_subword_prefix=_PREFIX, **(settings | changes)
        )
        tokenizer.train_from_iterator(read(), trainer)
        return tokenizer

    characters = train(special, vocab_size=0).get_vocab(with_added_tokens=False)
    continuing = sorted(token for token in characters if token.startswith(_PREFIX) and len(token) == len(_PREFIX) + 1)
    return train([*special, *continuing])


def _train_unigram(
    read: ReadTexts, special: list[str], unknown: str, lowercase: bool, settings: dict[str, Any]
) -> Tokenizer:
    """Unigram; any white space is one space."""
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence([*steps, *([normalizers.Lowercase()] if lowercase else [])])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(special_tokens=special, unk_token=unknown, **settings)
    tokenizer.train_from_iterator(read(), trainer)
    return tokenizer


def _prepare(read: ReadTexts, lowercase: bool, most_characters: int) -> ReadTexts:
    """The texts as the tokenizer will see them, without the characters that are too rare for the vocabulary."""

    def normalise(text: str) -> str:
        text = _ENDLESS.sub(r"\1 ", unicodedata.normalize("NFC", text))
        return text.lower() if lowercase else text

    counts = np.zeros(sys.maxunicode + 1, np.int64)
    for batch in read():
        for start in range(0, len(batch), _SOME_TEXTS):
            text = normalise("\n".join(batch[start : start + _SOME_TEXTS]))
            found = np.bincount(np.frombuffer(text.encode("utf-32-le"), np.uint32))
            counts[: len(found)] += found
    frequent_first = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    rare = dict.fromkeys(frequent_first[most_characters:].tolist(), " ")

    def prepared() -> Iterator[list[str]]:
        for batch in read():
            yield [normalise(text).translate(rare) if rare else normalise(text) for text in batch]

    return prepared


def _unknown_token(frame: dict[str, Any], own: Tokenizer, algorithm: str) -> str:
    """The token for what the vocabulary lacks, by the weights' own name if they have one; BPE needs none."""
    model = frame["model"]
    if isinstance(model.get("unk_id"), int):
        return str(model["vocab"][model["unk_id"]][0])
    named = [model.get("unk_token"), "[UNK]", "<unk>"]
    found = next((token for token in named if token is not None and own.token_to_id(token) is not None), None)
    return found or ("" if algorithm == "bpe" else "[UNK]")


def _special_tokens(frame: dict[str, Any], own: Tokenizer, pad_token: str, unknown: str) -> list[str]:
    """By their number in the weights' own tokenizer, so that <pad> stays at 1 where positions are counted from it."""
    tokens = {entry["content"] for entry in frame["added_tokens"] if entry["special"]}
    tokens |= {pad_token, *_tokens_of(frame["post_processor"]), *([unknown] if unknown else [])}
    numbers = {token: own.token_to_id(token) for token in tokens}
    return sorted(tokens, key=lambda token: (numbers[token] is None, numbers[token] or 0))


def _put_into_frame(trained: Tokenizer, frame: dict[str, Any], special: list[str]) -> Tokenizer:
    """The trained model with the special tokens and the post-processor of the weights."""
    written = json.loads(trained.to_str())
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    given = {entry["content"]: entry for entry in frame["added_tokens"]}
    written["added_tokens"] = [
        {**flags, **given.get(token, {}), "special": True, "id": number, "content": token}
        for number, token in enumerate(special)
    ]
    numbers = {token: number for number, token in enumerate(special)}
    written["post_processor"] = _renumber(frame["post_processor"], numbers)
    return Tokenizer.from_str(json.dumps(written))


def _tokens_of(processor: dict[str, Any] | None) -> set[str]:
    """The tokens that a post-processor puts around a document. Raises: UntrainableTokenizer."""
    kind = processor["type"] if processor else None
    if processor is None or kind == "ByteLevel":
        return set()
    if kind == "Sequence":
        return set().union(*map(_tokens_of, processor["processors"]))
    if kind in ("BertProcessing", "RobertaProcessing"):
        return {processor["sep"][0], processor["cls"][0]}
    if kind == "TemplateProcessing":
        return {token for entry in processor["special_tokens"].values() for token in entry["tokens"]}
    raise UntrainableTokenizer(
        f"tokenize.tokenizer is trained, but the tokenizer of the weights has a post-processor of type {kind}, which "
        "textmill does not know. Set tokenize.tokenizer to weights, or use other weights."
    )


def _renumber(processor: dict[str, Any] | None, numbers: dict[str, int]) -> dict[str, Any] | None:
    """The same post-processor with the new numbers of its tokens."""
    if processor is None or processor["type"] == "ByteLevel":
        return processor
    if processor["type"] == "Sequence":
        return {**processor, "processors": [_renumber(each, numbers) for each in processor["processors"]]}
    if processor["type"] == "TemplateProcessing":
        entries = {
            name: {**entry, "ids": [numbers[token] for token in entry["tokens"]]}
            for name, entry in processor["special_tokens"].items()
        }
        return {**processor, "special_tokens": entries}
    return {**processor, **{end: [processor[end][0], numbers[processor[end][0]]] for end in ("sep", "cls")}}
