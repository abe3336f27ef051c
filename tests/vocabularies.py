"""Small tokenizers of every kind, for the tests of trimmed vocabularies."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.corpora import movie_reviews

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = movie_reviews()["text"].tolist()[:300]
KINDS = ["wordpiece", "byte_bpe", "suffix_bpe", "prefix_bpe", "metaspace_bpe", "unigram", "byte_unigram", "words"]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@cache
def small_tokenizer(kind: str) -> Tokenizer:
    """One of KINDS, trained on TEXTS; lower-casing, but for byte_bpe, and with special tokens around a document."""
    tokenizer = {
        "wordpiece": _wordpiece,
        "byte_bpe": _byte_bpe,
        "suffix_bpe": _suffix_bpe,
        "prefix_bpe": _prefix_bpe,
        "metaspace_bpe": _metaspace_bpe,
        "unigram": _unigram,
        "byte_unigram": _byte_unigram,
        "words": _words,
    }[kind]()
    if kind == "byte_bpe":  # as GPT-2 and RoBERTa: nothing is lower-cased, and the other kind of post-processor
        begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        tokenizer.post_processor = processors.RobertaProcessing(("[SEP]", end), ("[CLS]", begin))
        return tokenizer
    names = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=names)
    tokenizer.add_tokens(["textmill"])  # behind the vocabulary, and not special
    return tokenizer


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=900, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _byte_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _suffix_bpe() -> Tokenizer:
    """As CLIP's: the end of a word is marked."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=SPECIAL, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _prefix_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##", fuse_unk=True))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=SPECIAL, continuing_subword_prefix="##", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _metaspace_bpe() -> Tokenizer:
    """As Llama's: what has no token is spelt in bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", byte_fallback=True))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=1100, special_tokens=[*SPECIAL, *_BYTES], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=900, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _byte_unigram() -> Tokenizer:
    pieces = _unigram_pieces()
    tokenizer = Tokenizer(models.Unigram([*pieces, *((name, -20.0) for name in _BYTES)], 1, True))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _unigram_pieces() -> list[tuple[str, float]]:
    import json

    return [(piece, score) for piece, score in json.loads(_unigram().to_str())["model"]["vocab"]]


def _words() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(vocab_size=900, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer
