"""Shortened token arrays are those that tokenizing anew would give."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tests.corpora import movie_reviews
from tests.tiny_language import TINY_BERT, minilm, train_tiny_tokenizer, write_language
from textmill.artifacts import DOCUMENTS, write_table
from textmill.data.tokenization.stage import tokenize
from textmill.training.augmentation import build_augment
from textmill.training.dataset import TrainingData, UnfitLength
from textmill.training.settings import AugmentationSettings

SPLITS = ("train", "validation")
TRUNCATE = {"strategy": "truncate", "head_share": 0.25, "overlap": 0, "max_windows": 1}
WHOLE = 32  # about one review in three is longer


def gpt2_like(folder):
    """Byte-level BPE, with nothing around a document."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.train_from_iterator(movie_reviews()["text"][:300], trainer)
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "pad_token_id": 0}))
    return folder


@pytest.fixture(scope="module", params=["wordpiece", "gpt2"])
def weights(request, tmp_path_factory):
    return minilm() if request.param == "wordpiece" else gpt2_like(tmp_path_factory.mktemp("weights") / "gpt2")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    reviews = movie_reviews()[:300].copy()
    reviews.loc[[3, 250], "text"] = ["ok", "good " * 500]
    paths = {split: folder / f"{split}.parquet" for split in SPLITS}
    for split, rows in zip(SPLITS, (reviews[:240], reviews[240:]), strict=True):
        write_table(paths[split], rows, DOCUMENTS)
    return paths


def tokenized(weights, tables, folder, max_length, **long_documents):
    folder.mkdir(parents=True)
    meta = tokenize(
        weights,
        tables,
        folder,
        task="single_label",
        max_length=max_length,
        long_documents=TRUNCATE | long_documents,
        trained=None,
        progress=lambda batches, *_: batches,
    )
    (folder / "tokens.json").write_text(json.dumps(meta))
    return TrainingData.open(folder)


@pytest.mark.parametrize("max_length", [8, 19, WHOLE - 1])
def test_truncated_is_tokenized_anew(weights, tables, tmp_path, max_length):
    whole = tokenized(weights, tables, tmp_path / "whole", WHOLE)
    expected = tokenized(weights, tables, tmp_path / "anew", max_length)
    cut = whole.truncate(max_length)
    for split in SPLITS:
        ours, anew = getattr(cut, split), getattr(expected, split)
        assert len(anew.ids) < len(getattr(whole, split).ids)
        for name in ("ids", "offsets", "windows", "labels"):
            assert np.array_equal(getattr(ours, name), getattr(anew, name)), (split, name)
        assert isinstance(ours.ids, np.memmap)
        assert ours.ids.dtype == anew.ids.dtype
    assert cut.max_length == max_length == expected.max_length
    again = whole.truncate(max_length + 1).truncate(max_length)
    assert np.array_equal(again.train.ids, cut.train.ids)


def test_what_is_not_cut_stays(tables, tmp_path):
    whole = tokenized(minilm(), tables, tmp_path / "whole", WHOLE)
    assert whole.truncate(WHOLE) is whole
    sampled = whole.sample(0.25, seed=1).truncate(16)
    assert np.array_equal(sampled.indices, whole.sample(0.25, seed=1).indices)
    short = whole.truncate(16)
    assert short.truncate(16) is short


def test_a_length_without_room_is_told(tables, tmp_path):
    whole = tokenized(minilm(), tables, tmp_path / "whole", WHOLE)
    with pytest.raises(UnfitLength, match=r"2 tokens .* are wanted, .* 2 special tokens"):
        whole.truncate(2)


def test_tokens_that_cannot_be_cut_are_told(tables, tmp_path):
    whole = tokenized(minilm(), tables, tmp_path / "whole", WHOLE)
    with pytest.raises(UnfitLength, match=r"64 tokens .* has 32 \(.*strategy: truncate\).*dvc repro"):
        whole.truncate(64)
    ends = tokenized(minilm(), tables, tmp_path / "ends", WHOLE, strategy="head_tail")
    assert ends.truncate(WHOLE) is ends
    with pytest.raises(UnfitLength, match=r"strategy: head_tail"):
        ends.truncate(16)


def test_changed_documents_keep_the_shorter_length(tables, tmp_path):
    """Misspelt words have more tokens than before."""
    data = tokenized(minilm(), tables, tmp_path / "whole", WHOLE).truncate(12)
    change = build_augment(data, AugmentationSettings(typo=1.0))
    lengths = [len(change(data.train[i], 0, 0, i)[0]) for i in range(len(data.train))]
    assert max(lengths) == 12
    assert sum(lengths) > data.train.lengths.sum()


def test_replaced_words_are_those_of_the_shorter_documents(tmp_path):
    from textmill.training.pretraining.language_model import build_language_model, save_language_model

    tokens = write_language(tmp_path / "tokens", train_tiny_tokenizer())
    model = build_language_model("mlm", config=TINY_BERT, tokens=tokens, weights=minilm(), next_sentence=False)
    save_language_model(model, tokens, tmp_path / "pretrained")
    data = TrainingData.open(tokens, tmp_path / "pretrained").truncate(12)
    change = build_augment(data, AugmentationSettings(replace=0.5))
    changed = [change(data.train[i], 0, 0, i)[0] for i in range(len(data.train))]
    assert [len(window) for window in changed] == data.train.lengths.tolist()
    assert max(data.train.lengths) == 12
    assert any((window != data.train[i][0]).any() for i, window in enumerate(changed))
