"""Answers of a teacher are computed once."""

import os

import pytest
import torch

from tests.tiny_model import SETTINGS, outspoken, tiny_model, tiny_transformer, write_tokens
from textmill.compression.distillation import teacher as module
from textmill.compression.distillation.teacher import teacher_answers
from textmill.models.ensemble import Ensemble
from textmill.training.dataset import TrainingData
from textmill.training.fit import predict_logits


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), 50, 20))


@pytest.fixture
def ask(data, tmp_path):
    def answers(model, tokens=data.train, settings=SETTINGS):
        return teacher_answers(model, tokens, 0, 2, settings, tmp_path / "answers")

    return answers


class Killed(Exception):
    pass


def limited(model, num_calls):
    """The same model, whose forward pass ends the run after so many calls."""
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1
        if calls > num_calls:
            raise Killed

    model.register_forward_pre_hook(count)
    return model


def test_answers_are_those_of_the_teacher(ask, data):
    model = outspoken(tiny_transformer())
    answers = ask(model)
    assert answers.num_computed == 50
    assert torch.equal(answers.logits_NC, predict_logits(model, data.train, 0, 2, SETTINGS))


def test_the_same_teacher_is_not_asked_twice(ask):
    first = ask(outspoken(tiny_transformer()))
    second = ask(limited(outspoken(tiny_transformer()), 0))
    assert second.num_computed == 0
    assert torch.equal(first.logits_NC, second.logits_NC)


def test_another_teacher_or_other_documents_are_asked(ask, data):
    ask(outspoken(tiny_transformer()))
    changed = outspoken(tiny_transformer())
    with torch.no_grad():
        changed.head.bias[0] += 1
    lstm = outspoken(tiny_model("lstm", data.folder))
    for model in (changed, lstm, Ensemble([outspoken(tiny_transformer()), changed])):
        assert ask(model).num_computed == 50
    assert ask(outspoken(tiny_transformer()), data.validation).num_computed == 20
    shorter = data.truncate(5)
    assert ask(outspoken(tiny_transformer()), shorter.train).num_computed == 50


def test_a_killed_run_asks_for_the_rest_only(ask, data, monkeypatch):
    monkeypatch.setattr(module, "SOME_DOCUMENTS", 20)
    with pytest.raises(Killed):
        ask(limited(outspoken(tiny_transformer()), 1))  # 20 documents are one batch
    answers = ask(outspoken(tiny_transformer()))
    assert answers.num_computed == 30
    expected = predict_logits(outspoken(tiny_transformer()), data.train, 0, 2, SETTINGS)
    torch.testing.assert_close(answers.logits_NC, expected)


def test_a_file_that_was_cut_short_is_made_anew(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SOME_DOCUMENTS", 20)
    with pytest.raises(Killed):
        ask(limited(outspoken(tiny_transformer()), 1))
    (partial,) = (tmp_path / "answers").iterdir()
    partial.write_bytes(partial.read_bytes()[:40])
    assert ask(outspoken(tiny_transformer())).num_computed == 50


def test_the_oldest_answers_are_forgotten(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "KEPT_FILES", 2)
    models = [outspoken(tiny_transformer(num_layers=depth)) for depth in (1, 2, 3)]
    for age, model in zip((30, 20), models[:2], strict=True):
        ask(model)
        newest = max((tmp_path / "answers").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, ns=(newest.stat().st_mtime_ns - age * 10**9,) * 2)
    assert ask(models[0]).num_computed == 0  # used again, so that the second is the oldest
    ask(models[2])
    assert len(list((tmp_path / "answers").iterdir())) == 2
    assert ask(models[0]).num_computed == 0
    assert ask(models[1]).num_computed == 50


def test_answers_are_mapped_and_not_changed_by_who_reads_them(ask):
    model = outspoken(tiny_transformer())
    logits_NC = ask(model).logits_NC
    before = logits_NC.clone()
    logits_NC.zero_()
    assert torch.equal(ask(model).logits_NC, before)
