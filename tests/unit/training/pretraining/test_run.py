import math
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch

from tests.tiny_language import TINY_BERT, TINY_GPT2, minilm
from textmill.data.batches import ordered_batches
from textmill.training.dataset import TrainingData
from textmill.training.failures import DivergedTraining
from textmill.training.pretraining.language_model import build_language_model
from textmill.training.pretraining.run import build_objective, pretrain
from textmill.training.settings import Settings

SETTINGS = Settings(
    batch_size=32, precision="32-true", schedule="linear", gradient_clip=1.0, epochs=3, patience=3, seed=7
)


def run(tokens, folder, *, config=TINY_BERT, objective="mlm", next_sentence=False, rate=5e-3, settings=SETTINGS):
    torch.manual_seed(0)
    model = build_language_model(objective, config=config, tokens=tokens, weights=minilm(), next_sentence=next_sentence)
    asks = build_objective(objective, tokens, mask_share=0.15, whole_words=True, next_sentence=next_sentence)
    made = pretrain(model, asks, TrainingData.open(tokens), settings, rate, checkpoints=folder, progress=False)
    return model, made


@pytest.mark.parametrize(("config", "objective"), [(TINY_BERT, "mlm"), (TINY_GPT2, "clm")])
def test_perplexity_falls(tokens, tmp_path, config, objective):
    vocabulary = 600
    _, made = run(tokens, tmp_path, config=config, objective=objective)
    before, after = made.perplexities
    assert before == pytest.approx(vocabulary, rel=0.25), "an untrained model guesses"
    assert after < 0.6 * before
    assert [row["epoch"] for row in made.curves] == [0, 1, 2, 3]
    assert made.curves[-1]["train_loss"] < made.curves[1]["train_loss"]
    assert all(row["perplexity"] == pytest.approx(math.exp(row["validation_loss"])) for row in made.curves)


def test_perplexity_is_that_of_all_held_out_tokens(tokens, tmp_path):
    """Computed anew from transformers' own logits, document by document."""
    model, made = run(tokens, tmp_path, config=TINY_GPT2, objective="clm", settings=replace(SETTINGS, epochs=1))
    model.model.base_model._forward_hooks.clear()
    total, count = 0.0, 0
    data = TrainingData.open(tokens)
    with torch.no_grad():
        for index in range(len(data.validation)):
            ids = torch.tensor(data.validation[index][0].tolist())
            log_probabilities = model.model(input_ids=ids[None]).logits[0].log_softmax(1)
            total -= float(log_probabilities[torch.arange(len(ids) - 1), ids[1:]].sum())
            count += len(ids) - 1
    assert made.perplexities[1] == pytest.approx(math.exp(total / count), rel=1e-4)


def test_held_out_tokens_are_hidden_alike_each_time(tokens, tmp_path):
    standing_still = replace(SETTINGS, epochs=2)
    _, made = run(tokens, tmp_path, rate=1e-12, settings=standing_still)
    assert len({round(row["perplexity"], 3) for row in made.curves}) == 1
    assert made.curves[1]["train_loss"] != made.curves[2]["train_loss"], "train tokens are hidden anew"


def test_next_sentence_is_learned_beside(tokens, tmp_path):
    model, made = run(tokens, tmp_path, next_sentence=True)
    assert made.perplexities[1] < made.perplexities[0]
    assert all(0 <= row["next_sentence_accuracy"] <= 1 for row in made.curves)
    head = model.model.cls.seq_relationship.weight
    assert head.grad is not None or head.detach().std() > 0
    torch.manual_seed(0)
    fresh = build_language_model("mlm", config=TINY_BERT, tokens=tokens, weights=minilm(), next_sentence=True)
    assert not torch.equal(head, fresh.model.cls.seq_relationship.weight)


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [13, 20])  # within the second epoch of ten batches, and at its end
def test_a_killed_run_ends_as_if_undisturbed(tokens, tmp_path, monkeypatch, at):
    settings = replace(SETTINGS, checkpoint_minutes=1e-9)
    whole, undisturbed = run(tokens, tmp_path / "a", settings=settings)

    seen = []

    def count(self, trainer, *_):
        seen.append(trainer.global_step)
        if trainer.global_step == at and len(seen) <= at:
            raise Killed

    from textmill.training.pretraining.curve import PerplexityCurve

    original = PerplexityCurve.on_train_batch_end

    def killing(self, trainer, *arguments, **named):
        original(self, trainer, *arguments, **named)
        count(self, trainer)

    monkeypatch.setattr(PerplexityCurve, "on_train_batch_end", killing)
    with pytest.raises(Killed):
        run(tokens, tmp_path / "b", settings=settings)
    resumed_model, resumed = run(tokens, tmp_path / "b", settings=settings)
    assert seen.count(at) == 2, "one step was done again, not the whole run"
    assert resumed.curves == undisturbed.curves
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed_model.state_dict()[name], tensor, msg=name)


def test_a_loss_that_is_no_number_names_the_rate(tokens, tmp_path):
    with pytest.raises(DivergedTraining, match=r"pretrain\.learning_rate \(1e\+38\)"):
        run(tokens, tmp_path, rate=1e38)


def test_the_budget_of_tokens_is_kept(tokens, tmp_path):
    settings = replace(SETTINGS, batch_tokens=256, epochs=1)
    sizes = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, *_):
            sizes.append(batch["input_ids_WT"].numel())

    run(tokens, tmp_path, settings=settings)
    data = TrainingData.open(tokens)
    for batch in ordered_batches(data.validation, data.pad_id, batch_size=32, batch_tokens=256):
        assert batch["input_ids_WT"].numel() <= 256
