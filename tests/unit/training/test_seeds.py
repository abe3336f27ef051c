import json
import statistics
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import f1_score

from tests.tiny_model import HYPER, SETTINGS, tiny_transformer, write_tokens
from textmill.models.ensemble import Ensemble
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit, predict_logits
from textmill.training.seeds import fit_seeds, spread

LONGER = replace(SETTINGS, epochs=4, patience=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


def build(seed):
    model = tiny_transformer()
    torch.manual_seed(seed)
    torch.nn.init.normal_(model.head.weight, std=0.02)
    return model


class Builder:
    """Remembers the seeds that were built."""

    def __init__(self):
        self.seeds = []

    def __call__(self, seed):
        self.seeds.append(seed)
        return build(seed)


class KilledAtEpoch(pl.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, *_):
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def train(data, folder, *, num_seeds=3, ensemble=False, **options):
    options = {"build": build, "options": lambda seed: {}, **options}
    built = options.pop("build")
    return fit_seeds(
        built,
        data,
        LONGER,
        HYPER,
        num_seeds=num_seeds,
        ensemble=ensemble,
        checkpoints=folder,
        progress="train",
        **options,
    )


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("undisturbed"))


def test_each_seed_is_a_training_of_its_own(data, undisturbed, tmp_path):
    assert list(undisturbed.scores) == [7, 8, 9]
    assert len(set(undisturbed.scores.values())) > 1, "the seeds differ"
    alone = fit(build(8), data, replace(LONGER, seed=8), HYPER, checkpoints=tmp_path)
    assert undisturbed.scores[8] == alone.score


def test_the_best_on_validation_is_kept(data, undisturbed):
    assert undisturbed.score == max(undisturbed.scores.values()) == undisturbed.fitted.score
    logits = predict_logits(undisturbed.model, data.validation, 0, 2, LONGER)
    score = f1_score(data.validation.labels, logits.argmax(1).numpy(), average="macro")
    assert score == pytest.approx(undisturbed.score)


def test_seeds_json(undisturbed):
    told = json.loads(json.dumps(undisturbed.describe(), allow_nan=False))
    scores = list(undisturbed.scores.values())
    assert told == {
        "seeds": [{"seed": 7 + i, "score": score} for i, score in enumerate(scores)],
        "mean": pytest.approx(sum(scores) / 3),
        "std": pytest.approx(statistics.stdev(scores)),
        "ensemble": False,
        "score": max(scores),
    }


def test_one_seed_has_no_spread():
    assert spread([0.5]) == {"mean": 0.5, "std": None}


def test_an_ensemble_of_all_seeds(data, undisturbed, tmp_path):
    together = train(data, tmp_path, ensemble=True)
    assert isinstance(together.model, Ensemble)
    assert together.describe()["ensemble"]
    assert together.scores == undisturbed.scores
    logits = [predict_logits(member, data.validation, 0, 2, LONGER) for member in together.model.members]
    mean = torch.stack(logits).mean(dim=0).argmax(1).numpy()
    assert together.score == pytest.approx(f1_score(data.validation.labels, mean, average="macro"))


def test_an_ensemble_of_one_is_that_one(data, tmp_path):
    assert not isinstance(train(data, tmp_path, num_seeds=1, ensemble=True).model, Ensemble)


def test_a_killed_run_goes_on_with_the_seed_it_was_at(data, undisturbed, tmp_path):
    def killed_in_the_second(seed):
        return {"callbacks": [KilledAtEpoch(2)]} if seed == 8 else {}

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(data, tmp_path, options=killed_in_the_second)
    steps = {}

    def watched(seed):
        class Steps(pl.Callback):
            def on_train_start(self, trainer, *_):
                steps[seed] = trainer.global_step

        return {"callbacks": [Steps()]}

    builder = Builder()
    resumed = train(data, tmp_path, build=builder, options=watched)
    assert builder.seeds == [8, 9], "the first was finished"
    assert steps == {8: 20, 9: 0}, "the second goes on after its second epoch"
    assert resumed.scores == undisturbed.scores
    assert resumed.fitted == undisturbed.fitted
    for name, tensor in undisturbed.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], tensor, msg=name)


def test_finished_seeds_leave_only_their_weights(data, tmp_path):
    train(data, tmp_path, num_seeds=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed-7-finished", "seed-8-finished"]
