import json
import shutil

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, BertForPreTraining

from tests.tiny_language import TINY_BERT, TINY_GPT2, minilm, train_tiny_tokenizer, write_language
from textmill.errors import UserError
from textmill.models.encoder_config import InvalidConfig
from textmill.models.transformer import Transformer
from textmill.training.pretraining.language_model import (
    LanguageModel,
    UnfitObjective,
    build_language_model,
    load_masked_model,
    save_language_model,
)
from textmill.training.pretraining.masking import IGNORED

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def batch():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (3, 12), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    return ids, mask


def start(tokens, config=None, objective="mlm", next_sentence=False, weights=None):
    torch.manual_seed(0)
    return build_language_model(
        objective, config=config, tokens=tokens, weights=weights or minilm(), next_sentence=next_sentence
    )


@pytest.mark.parametrize("kind", ["bert", "roberta", "deberta-v2", "electra"])
def test_the_masked_loss_is_that_of_transformers(kind):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **SIZES)).eval()
    ids, mask = batch()
    targets = torch.full_like(ids, IGNORED)
    targets[0, 3], targets[1, 2:4], targets[2, 5] = 7, 9, 11
    expected = model(input_ids=ids, attention_mask=mask, labels=targets).loss
    answer = LanguageModel(model)(ids, mask, targets)
    torch.testing.assert_close(answer.loss, expected)
    assert answer.num_asked == 4


@pytest.mark.parametrize("kind", ["gpt2", "llama", "opt"])
def test_the_causal_loss_is_that_of_transformers(kind):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES)).eval()
    ids, mask = batch()
    labels = torch.where(mask.bool(), ids, IGNORED)
    expected = model(input_ids=ids, attention_mask=mask, labels=labels).loss  # it shifts them itself
    targets = torch.full_like(ids, IGNORED)
    targets[:, :-1] = labels[:, 1:]
    answer = LanguageModel(model)(ids, mask, targets)
    torch.testing.assert_close(answer.loss, expected)
    assert answer.num_asked == 11 + 7 + 11


def test_the_loss_of_pairs_is_that_of_transformers():
    torch.manual_seed(0)
    model = BertForPreTraining(AutoConfig.for_model("bert", **SIZES)).eval()
    ids, mask = batch()
    targets, types, classes = torch.full_like(ids, IGNORED), (torch.arange(12) > 4).long().expand(3, 12), [0, 1, 0]
    targets[:, 4] = 8
    expected = model(
        input_ids=ids,
        attention_mask=mask,
        token_type_ids=types,
        labels=targets,
        next_sentence_label=torch.tensor(classes),
    ).loss
    answer = LanguageModel(model)(ids, mask, targets, types)
    pair_loss = torch.nn.functional.cross_entropy(answer.continues_W2, torch.tensor(classes))
    torch.testing.assert_close(answer.loss + pair_loss, expected)


def test_a_model_from_scratch_fits_the_tokens(tokens):
    vocabulary = json.loads((tokens / "tokens.json").read_text())["vocabulary_size"]
    for config, objective in ((TINY_BERT, "mlm"), (TINY_GPT2, "clm")):
        model = start(tokens, config, objective)
        assert model.encoder.get_input_embeddings().weight.shape == (vocabulary, 32)
        assert model.model.get_output_embeddings().weight is model.encoder.get_input_embeddings().weight, "tied"
        grouped = [id(p) for group in model.depth_groups() for p in group]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters()), "each once"


def test_the_seed_decides_the_weights(tokens):
    first, again = start(tokens, TINY_BERT), start(tokens, TINY_BERT)
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)


@pytest.fixture(scope="module")
def bert_weights(tmp_path_factory):
    """Weights with a head for masked tokens, and their tokenizer."""
    tokens = write_language(tmp_path_factory.mktemp("old"), train_tiny_tokenizer(vocabulary_size=500))
    model = start(tokens, TINY_BERT)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    folder = tmp_path_factory.mktemp("weights")
    save_language_model(model, tokens, folder)
    return model, folder / "language_model"


def test_weights_go_on_with_their_own_head(bert_weights, tmp_path):
    old, folder = bert_weights
    tokens = write_language(tmp_path / "tokens", train_tiny_tokenizer(vocabulary_size=500))
    meta = json.loads((tokens / "tokens.json").read_text())
    (tokens / "tokens.json").write_text(json.dumps({**meta, "tokenizer": {"kind": "weights"}}))
    new = start(tokens, weights=folder)
    torch.testing.assert_close(new.state_dict(), old.state_dict(), rtol=0, atol=0)


def test_another_vocabulary_gets_embeddings_transferred_and_keeps_the_rest(bert_weights, tokens):
    old, folder = bert_weights
    new = start(tokens, weights=folder)  # 600 tokens instead of 500
    weights, before = new.state_dict(), old.state_dict()
    transform = "model.cls.predictions.transform.dense.weight"
    torch.testing.assert_close(weights[transform], before[transform])
    embeddings = "model.bert.embeddings.word_embeddings.weight"
    ids = [torch.tensor(train_tiny_tokenizer(vocabulary_size=size).token_to_id("the")) for size in (600, 500)]
    torch.testing.assert_close(weights[embeddings][ids[0]], before[embeddings][ids[1]])
    assert weights["model.cls.predictions.bias"].count_nonzero() == 0, "of other tokens: begun anew"
    assert new.model.get_output_embeddings().weight is new.encoder.get_input_embeddings().weight


@pytest.mark.parametrize(
    ("config", "objective", "next_sentence", "told"),
    [
        (TINY_BERT, "clm", False, "bert is an encoder.*Set pretrain.objective to mlm"),
        (TINY_GPT2, "mlm", False, "gpt2 is no encoder.*Set pretrain.objective to clm"),
        (TINY_GPT2, "clm", True, "this is gpt2 with clm"),
        ({**TINY_BERT, "model_type": "roberta"}, "mlm", True, "this is roberta with mlm"),
    ],
)
def test_what_does_not_go_together_is_told(tokens, config, objective, next_sentence, told):
    with pytest.raises(UnfitObjective, match=told):
        start(tokens, config, objective, next_sentence)


@pytest.mark.parametrize(
    ("config", "objective", "told"),
    [
        ({**TINY_BERT, "hidden_size": 30}, "mlm", "hidden size .30. is not a multiple"),
        (
            {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
             "num_key_value_heads": 3, "intermediate_size": 64},
            "clm",
            "cannot compute",
        ),
    ],
)  # fmt: skip
def test_a_config_that_makes_no_model_is_told(tokens, config, objective, told):
    with pytest.raises(InvalidConfig, match=told):
        start(tokens, config, objective)


def test_too_few_positions_are_told(tokens):
    with pytest.raises(UserError, match="16 positions"):
        start(tokens, {**TINY_BERT, "max_position_embeddings": 16})


@pytest.mark.parametrize(
    ("config", "objective", "next_sentence", "pooling"),
    [(TINY_BERT, "mlm", False, "mean"), (TINY_BERT, "mlm", True, "cls"), (TINY_GPT2, "clm", False, "last")],
)
def test_fine_tuning_starts_from_what_was_saved(tokens, tmp_path, config, objective, next_sentence, pooling):
    model = start(tokens, config, objective, next_sentence)
    save_language_model(model, tokens, tmp_path)
    built = Transformer.build(
        {"pooling": pooling, "config": config}, tokens=tokens, weights=minilm(), pretrained=tmp_path / "encoder",
        num_labels=2,
    )  # fmt: skip
    saved = model.encoder.state_dict()
    for name, tensor in built.encoder.state_dict().items():
        torch.testing.assert_close(tensor, saved[name], rtol=0, atol=0)
    assert (tmp_path / "encoder/tokenizer.json").read_bytes() == (tokens / "tokenizer.json").read_bytes()


def test_the_saved_head_says_the_same(tokens, tmp_path):
    model = start(tokens, TINY_BERT, next_sentence=True).eval()
    save_language_model(model, tokens, tmp_path)
    shutil.rmtree(tmp_path / "encoder")
    again = load_masked_model(tmp_path / "language_model")
    ids, mask = batch()
    asked = torch.zeros_like(ids, dtype=torch.bool)
    asked[0, 2] = asked[2, 7] = True
    with torch.no_grad():
        torch.testing.assert_close(again.logits(ids, mask, asked), model.logits(ids, mask, asked))
