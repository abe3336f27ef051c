from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
from sklearn.metrics import f1_score

from tests.tiny_model import HYPER, SETTINGS, VOCABULARY, tiny_transformer, write_tokens
from textmill.data.tokens import Encoded, TokenArrays, write_split
from textmill.training.crossvalidation import cross_validate, take
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit, predict_logits

LONGER = replace(SETTINGS, epochs=4, patience=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), num_train=150))


@pytest.fixture(scope="module")
def fold_N():
    return np.random.default_rng(0).permutation(np.repeat([0, 1, 2], 50)).astype(np.int32)


@pytest.fixture(scope="module")
def undisturbed(data, fold_N, tmp_path_factory):
    return run(data, fold_N, tmp_path_factory.mktemp("undisturbed"))


def run(data, fold_N, folder, build=tiny_transformer, **options):
    return cross_validate(build, data, fold_N, LONGER, HYPER, checkpoints=folder, progress="crossvalidate", **options)


class Killed(pl.Callback):
    def on_train_epoch_start(self, trainer, *_):
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt


def test_a_fold_is_scored_on_what_its_model_never_saw(data, fold_N, undisturbed, tmp_path):
    model, held_out = tiny_transformer(), np.flatnonzero(fold_N == 1)
    fit(model, replace(data, indices=np.flatnonzero(fold_N != 1)), LONGER, HYPER, checkpoints=tmp_path)
    predicted = predict_logits(model, data.train, 0, 2, LONGER).argmax(1).numpy()[held_out]
    assert undisturbed[1].score == pytest.approx(f1_score(data.train.labels[held_out], predicted, average="macro"))
    assert [fold.num_documents for fold in undisturbed] == [50, 50, 50]
    assert len({fold.score for fold in undisturbed}) > 1


def test_labels_that_cannot_be_learned_score_like_chance(data, fold_N, tmp_path):
    """A model that saw what it is scored on would know them by heart."""
    noise = np.random.default_rng(1).integers(0, 2, len(data.train))
    spoilt = replace(data, train=replace(data.train, labels=noise))
    folds = run(spoilt, fold_N, tmp_path)
    assert np.mean([fold.score for fold in folds]) < 0.62


def test_a_killed_run_does_not_train_finished_folds_again(data, fold_N, undisturbed, tmp_path):
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(data, fold_N, tmp_path, options=lambda fold: {"callbacks": [Killed()] if fold == 1 else []})
    built, steps = [], []

    class Steps(pl.Callback):
        def on_train_start(self, trainer, *_):
            steps.append(trainer.global_step)

    def build():
        built.append(1)
        return tiny_transformer()

    folds = run(data, fold_N, tmp_path, build, options=lambda fold: {"callbacks": [Steps()]})
    assert len(built) == 2
    assert steps == [2 * 7, 0], "two epochs of seven steps were done"
    assert [fold.score for fold in folds] == [fold.score for fold in undisturbed]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"fold-{i}.json" for i in range(3)]


def test_taken_documents_keep_their_windows_and_labels(tmp_path):
    windows = [[2, 5], [2, 6, 7], [2, 8], [2, 9], [2, 10, 11, 12]]
    labels = np.array([1.5, 2.5, 3.5], np.float32)
    write_split(tmp_path, "train", [(Encoded.join(windows), labels, np.array([2, 1, 2]))], VOCABULARY)
    taken = take(TokenArrays.open(tmp_path, "train"), np.array([2, 0]))
    assert [[window.tolist() for window in taken[i]] for i in range(2)] == [windows[3:], windows[:2]]
    assert taken.labels.tolist() == [3.5, 1.5]
    assert taken.lengths.tolist() == [6, 5]
