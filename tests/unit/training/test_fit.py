from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

from tests.tiny_language import train_tiny_tokenizer, write_language
from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit, predict_logits
from textmill.training.lit_module import document_logits
from textmill.training.settings import AugmentationSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


class EachBatch(pl.Callback):
    """Calls a function with the trainer and the module after each training batch."""

    def __init__(self, function):
        self.function = function

    def on_train_batch_end(self, trainer, module, *_):
        self.function(trainer, module)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_weights(first, second, **tolerance):
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], tensor, msg=name, **tolerance)


def test_it_learns_and_keeps_the_best_epoch(data, tmp_path):
    model = tiny_transformer()
    fitted = fit(model, data, replace(SETTINGS, epochs=8, patience=8), HYPER, checkpoints=tmp_path)
    scores = [row["validation_score"] for row in fitted.curves]
    assert fitted.score == max(scores) > 0.9
    assert fitted.curves[-1]["train_loss"] < fitted.curves[0]["train_loss"]
    logits = predict_logits(model, data.validation, 0, 2, SETTINGS)
    score = f1_score(data.validation.labels, logits.argmax(1).numpy(), average="macro")
    assert score == pytest.approx(fitted.score), "the weights in memory are the best epoch's"


def test_it_stops_early(data):
    # A learning rate of nearly zero: the score cannot improve.
    fitted = fit(tiny_transformer(), data, replace(SETTINGS, epochs=9, patience=2), replace(HYPER, learning_rate=1e-12))
    assert len(fitted.curves) == 3


def test_patience_counts_epochs_however_often_they_are_validated(data):
    flat = replace(HYPER, learning_rate=1e-12)
    settings = replace(SETTINGS, epochs=4, patience=4)
    seen = [
        fit(tiny_transformer(), data, settings, flat, validations_per_epoch=validations).curves[-1]["step"]
        for validations in (1, 5)
    ]
    assert seen[0] == seen[1] == 4 * num_batches(data)


@pytest.mark.parametrize(
    ("batch_size", "per_epoch", "expected"),
    [(13, 2, [7, 13]), (16, 3, [4, 7, 10]), (32, 3, [2, 4, 5]), (80, 4, [1, 2]), (16, 1, [10])],
)
def test_an_epoch_is_validated_to_its_end(data, batch_size, per_epoch, expected):
    """13, 10, 5, and 2 batches of 160 documents."""
    seen, validated = [], []

    class Watch(pl.Callback):
        def on_validation_end(self, trainer, module):
            seen.append(trainer.global_step)
            validated.append(float(trainer.callback_metrics["validation_loss"]))

    settings = replace(SETTINGS, epochs=2, batch_size=batch_size, batch_tokens=None)
    fitted = fit(tiny_transformer(), data, settings, HYPER, validations_per_epoch=per_epoch, callbacks=[Watch()])
    last = expected[-1]
    assert seen == [*expected, *(last + step for step in expected)]
    # The curve of an epoch is the validation at its end.
    assert [row["validation_loss"] for row in fitted.curves] == [validated[len(expected) - 1], validated[-1]]
    assert [row["step"] for row in fitted.curves] == [last, 2 * last]


def num_batches(data):
    seen = []
    fit(tiny_transformer(), data, replace(SETTINGS, epochs=1), HYPER, callbacks=[EachBatch(lambda *_: seen.append(1))])
    return len(seen)


def test_the_epochs_train_loss_is_the_mean_over_its_documents(data):
    seen = []

    def keep(trainer, module):
        seen.append((module.latest.loss.item(), len(module.latest.index_B)))

    fitted = fit(tiny_transformer(), data, replace(SETTINGS, epochs=1), HYPER, callbacks=[EachBatch(keep)])
    losses, sizes = zip(*seen, strict=True)
    assert fitted.curves[0]["train_loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-6)
    assert sum(sizes) == len(data.train)


@pytest.mark.parametrize(("schedule", "at_end"), [("linear", 0.0), ("cosine", 0.0), ("constant", 1.0)])
def test_learning_rate_warms_up_and_decays(data, schedule, at_end):
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, *_):
            seen.append(trainer.optimizers[0].param_groups[0]["lr"] / HYPER.learning_rate)

    fit(tiny_transformer(), data, replace(SETTINGS, schedule=schedule), HYPER, callbacks=[Watch()])
    warmup = int(HYPER.warmup_fraction * len(seen))
    assert seen[: warmup + 1] == pytest.approx(np.linspace(0, 1, warmup + 1))
    assert seen[-1] == pytest.approx(at_end, abs=0.1)


@pytest.mark.parametrize(("accumulate", "sizes"), [(1, [1] * 10), (4, [4, 4, 2]), (20, [10])])
def test_a_steps_gradient_is_the_mean_of_its_batches(data, accumulate, sizes):
    """Also in the last step of an epoch, for which fewer batches are left."""
    batches, steps = [], []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, _, batch, batch_idx):
            batches.append(batch)
            if module.latest.gradient_norm is not None:
                steps.append((module.latest.gradient_norm.item(), batches.copy()))
                batches.clear()

    still = replace(HYPER, dropout=0.0, learning_rate=1e-12)
    settings = replace(SETTINGS, epochs=1, accumulate=accumulate)
    fitted = fit(tiny_transformer(), data, settings, still, callbacks=[Watch()])
    assert [len(members) for _, members in steps] == sizes
    assert fitted.curves[0]["step"] == len(sizes)
    for norm, members in steps:
        model = tiny_transformer()
        model.set_dropout(0.0)
        losses = [F.cross_entropy(document_logits(model, batch), batch["labels_B"]) for batch in members]
        torch.stack(losses).mean().backward()
        expected = torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).norm().item()
        assert norm == pytest.approx(expected, rel=1e-4)


def test_gradients_are_clipped_to_the_norm(data):
    """One step of plain gradient descent tells the norm of what it was given."""

    class Descent(pl.Callback):
        def on_train_start(self, trainer, module):
            parameters = [p for group in trainer.optimizers[0].param_groups for p in group["params"]]
            trainer.strategy.optimizers = [torch.optim.SGD(parameters, lr=1.0)]

    def change(clip):
        model, norms = tiny_transformer(), []
        before = [p.detach().clone() for p in model.parameters()]

        def keep(trainer, module):
            norms.append(module.latest.gradient_norm.item())
            trainer.should_stop = True

        settings = replace(SETTINGS, epochs=1, gradient_clip=clip)
        fit(model, data, settings, replace(HYPER, dropout=0.0), callbacks=[Descent(), EachBatch(keep)])
        moved = torch.stack([(a - b.detach()).norm() for a, b in zip(before, model.parameters(), strict=True)]).norm()
        return moved.item(), norms[0]

    moved, norm = change(1e9)
    assert moved == pytest.approx(norm, rel=1e-3)
    assert norm > 0.01
    assert change(0.01)[0] == pytest.approx(0.01, rel=1e-3)


def test_frozen_layers_stay_as_they_are_and_the_others_move(data):
    model = tiny_transformer()
    frozen = [id(p) for group in model.depth_groups()[:2] for p in group]
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    fit(model, data, replace(SETTINGS, epochs=1, freeze_layers=1), HYPER)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (id(parameter) in frozen), name
        assert parameter.requires_grad, "what comes after may train it"


def test_documents_are_changed_in_training_anew_in_each_epoch_and_never_in_validation(tmp_path):
    tokenizer = train_tiny_tokenizer("wordpiece")
    data = TrainingData.open(write_language(tmp_path, tokenizer, num_train=32, num_validation=16))

    class Seen(pl.Callback):
        def __init__(self):
            self.train, self.validation = {}, []

        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            for index, ids in zip(batch["index_B"].tolist(), batch["input_ids_WT"].tolist(), strict=True):
                self.train[trainer.current_epoch, index] = [i for i in ids if i != data.pad_id]

        def on_validation_batch_start(self, trainer, module, batch, *_):
            self.validation.append(batch["input_ids_WT"])

    def train(shares):
        seen = Seen()
        settings = replace(SETTINGS, epochs=2, augmentation=AugmentationSettings(**shares))
        fit(tiny_transformer(vocab_size=tokenizer.get_vocab_size()), data, settings, HYPER, callbacks=[seen])
        return seen

    plain, changed = train({}), train({"swap": 0.5})
    documents = {(epoch, i): data.train[i][0].tolist() for epoch in (0, 1) for i in range(32)}
    assert plain.train == documents
    assert sum(changed.train[key] != ids for key, ids in documents.items()) > 48
    assert sum(changed.train[0, i] != changed.train[1, i] for i in range(32)) > 24
    for first, second in zip(plain.validation, changed.validation, strict=True):
        assert torch.equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("32-true", 1e-5), ("bf16-mixed", 0.02)])
def test_compiled_training_is_the_same_and_keeps_the_names(data, tmp_path, precision, tolerance):
    """With bf16 on a CPU, attention is our own function (models/attention.py), with a backward pass of its own."""
    still = replace(HYPER, dropout=0.0)
    settings = replace(SETTINGS, epochs=2, precision=precision)
    data = replace(data, indices=np.arange(32))  # two batches: inductor takes a minute for each shape
    plain, compiled = tiny_transformer(), tiny_transformer()
    graphs, losses = [], {plain: [], compiled: []}

    def look(trainer, module):
        graphs.append(module.model._compiled_call_impl is not None)
        losses[module.model].append(module.latest.loss.item())

    seen = [EachBatch(look)]
    fit(plain, data, settings, still, checkpoints=tmp_path / "a", callbacks=seen)
    fit(compiled, data, replace(settings, compile=True), still, checkpoints=tmp_path / "b", callbacks=seen)
    assert graphs == [False] * 4 + [True] * 4
    assert compiled._compiled_call_impl is None
    assert list(plain.state_dict()) == list(compiled.state_dict())
    assert losses[compiled] == pytest.approx(losses[plain], rel=tolerance)
    assert max(losses[plain]) - min(losses[plain]) > 2 * tolerance, "it learns by more than the tolerance"
    if precision == "32-true":
        assert_same_weights(plain, compiled, atol=1e-4, rtol=1e-3)


def test_a_sample_keeps_the_balance(data):
    sample = data.sample(0.25, seed=1)
    assert np.bincount(data.train.labels[sample.indices]).tolist() == [20, 20]
    assert sample.indices.tolist() == data.sample(0.25, seed=1).indices.tolist()
    assert sample.indices.tolist() != data.sample(0.25, seed=2).indices.tolist()
    assert len(data.sample(1e-9, seed=1).indices) == 2
