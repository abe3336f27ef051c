"""Everything here trains; learning rates of 1e-7 learn nothing, and 0.1 suits a bag of embeddings."""

import gc
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState

from tests.tiny_model import SETTINGS, tiny_model, tiny_transformer, write_tokens
from textmill.search.liveness import ERROR
from textmill.search.measures import METRICS, OVER_LIMIT, Constraint, NothingLearned, choose
from textmill.search.objective import EPOCHS, FIGURES, Measuring, Plan, TrialObjective
from textmill.search.pruners import build_pruner
from textmill.search.samplers import build_sampler
from textmill.search.space import Dimension
from textmill.search.work import Limits, OutOfTime, work
from textmill.training.dataset import TrainingData
from textmill.training.failures import DivergedTraining
from textmill.training.fit import fit, predict_logits
from textmill.training.objective import score_logits
from textmill.training.settings import Hyperparameters

HYPER = {"learning_rate": 0.1, "weight_decay": 0.01, "warmup_fraction": 0.1, "dropout": 0.1}
USELESS = 1e-7
NUM_EPOCHS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


@pytest.fixture(scope="module")
def model(data):
    return tiny_model("bag_of_embeddings", data.folder)


@pytest.fixture
def build(data, model):
    """Builds an objective and its study."""

    def build(*objectives, constraints=(), pruner="none", reports_per_epoch=1, sampler="random", **keywords):
        seeds, plan = keywords.pop("seeds", False), keywords.pop("plan", None)
        measuring = Measuring(objectives, list(map(Constraint.parse, constraints)), reports_per_epoch, **keywords)

        def usual(values, repeat):
            settings = replace(SETTINGS, epochs=NUM_EPOCHS, patience=NUM_EPOCHS, seed=7 + repeat * seeds)
            hyper = {name: value for name, value in values.items() if name in HYPER}
            return Plan(model, data, settings, Hyperparameters(**hyper))

        num_reports = keywords.get("num_repeats", 1)
        study = optuna.create_study(
            study_name="study",
            directions=[METRICS[name] for name in objectives],
            sampler=build_sampler(sampler, 3),
            pruner=build_pruner(pruner, num_reports if num_reports > 1 else NUM_EPOCHS * reports_per_epoch),
        )
        return TrialObjective(plan or usual, measuring), study

    return build


def run(study, objective, rates):
    """Trials of these learning rates, as a worker does them, defaults first."""
    for rate in rates:
        space = {"learning_rate": Dimension("float", rate, low=0.0, high=100.0)}
        if study.trials:
            study.enqueue_trial({"learning_rate": rate})
            trial = study.ask()
            values = {**HYPER, "learning_rate": trial.suggest_float("learning_rate", 0.0, 100.0)}
            try:
                study.tell(trial, objective(trial, values))
            except optuna.TrialPruned:
                study.tell(trial, state=TrialState.PRUNED)
        else:
            fixed = {name: value for name, value in HYPER.items() if name not in space}
            work(study, objective, space, fixed, Limits(1, 1, 60.0))
    return study.trials


def test_a_trial_is_a_training_and_nothing_else(build, data, model):
    """Its quality and loss are those of `fit`; the model that was given stays untrained, and no file is written."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    objective, study = build("quality", constraints=["loss <= 9"], reports_per_epoch=2)
    (trial,) = run(study, objective, [0.1])
    settings = replace(SETTINGS, epochs=NUM_EPOCHS, patience=NUM_EPOCHS)
    alone = fit(
        tiny_model("bag_of_embeddings", data.folder), data, settings, Hyperparameters(**HYPER), validations_per_epoch=2
    )
    assert trial.value == alone.score > 0.8
    loss = min(row["validation_loss"] for row in alone.curves)
    assert trial.user_attrs[FIGURES] == {"quality": alone.score, "loss": loss}
    assert trial.constraints == {"loss <= 9": loss - 9}
    assert trial.user_attrs[EPOCHS] == NUM_EPOCHS
    assert list(trial.intermediate_values) == [*range(1, 2 * NUM_EPOCHS + 1)]
    assert list(trial.intermediate_values.values())[1::2] == [row["validation_score"] for row in alone.curves]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_loss_is_minimised_and_reported(build):
    objective, study = build("loss")
    good, bad = run(study, objective, [0.1, USELESS])
    assert good.value == min(good.intermediate_values.values()) < bad.value
    assert bad.value == pytest.approx(np.log(2), abs=0.1)
    assert choose(study, ["loss"], "loss", 0.0).number == good.number


@pytest.mark.parametrize("batch_size", [16, 40, 7, 160])  # 10, 4, 23 and 1 batches an epoch of 160 documents
def test_trials_of_all_batch_sizes_report_at_the_same_places(build, data, model, batch_size):
    def plan(values, repeat):
        settings = replace(SETTINGS, epochs=2, patience=2, batch_size=batch_size)
        return Plan(model, data, settings, Hyperparameters(**values))

    objective, study = build("quality", reports_per_epoch=3, plan=plan)
    (trial,) = run(study, objective, [0.1])
    assert list(trial.intermediate_values) == ([3, 6] if batch_size == 160 else [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("pruner", "rates", "is_stopped"),
    [
        ("median", [0.1, 0.09, 0.08, 0.07, USELESS, 1e-6], [0, 0, 0, 0, 1, 1]),
        ("successive_halving", [0.1, USELESS, 1e-6, 1e-5], [0, 1, 1, 1]),
        # Some brackets judge later than others; the last one never.
        ("hyperband", [0.1, 0.1, 0.1, 0.1, *[USELESS + i * 1e-9 for i in range(8)]], None),
    ],
)
def test_the_pruner_stops_bad_trials_early(build, pruner, rates, is_stopped):
    objective, study = build("quality", pruner=pruner, reports_per_epoch=2)
    trials = run(study, objective, rates)
    num_reports = 2 * NUM_EPOCHS
    stopped = [trial for trial in trials if trial.state == TrialState.PRUNED]
    for trial in trials:
        assert trial.intermediate_values, "all report"
        if trial.state == TrialState.COMPLETE:
            assert trial.user_attrs[EPOCHS] == NUM_EPOCHS
            assert len(trial.intermediate_values) == num_reports
    for trial in stopped:
        assert trial.user_attrs[EPOCHS] == trial.last_step / 2 < NUM_EPOCHS
        assert trial.params["learning_rate"] < 1e-4
        assert trial.value == trial.intermediate_values[trial.last_step]
    if is_stopped is None:
        assert len(stopped) >= 4
    else:
        assert [int(trial in stopped) for trial in trials] == is_stopped
    assert choose(study, ["quality"], "quality", 0.0).params["learning_rate"] > 0.01


def test_a_useless_trial_is_stopped_after_enough_seeds(build):
    objective, study = build("quality", pruner="wilcoxon", num_repeats=4, seeds=True)
    good, bad = run(study, objective, [0.01, USELESS])
    assert good.value == pytest.approx(np.mean(list(good.intermediate_values.values())))
    assert list(good.intermediate_values) == [1, 2, 3, 4]
    assert len(set(good.intermediate_values.values())) > 1, "seeds differ"
    assert good.user_attrs[EPOCHS] == 4 * NUM_EPOCHS
    assert bad.state == TrialState.PRUNED
    assert list(bad.intermediate_values) == [1, 2, 3]
    assert bad.user_attrs[EPOCHS] == 3 * NUM_EPOCHS


def test_repeats_over_folds_learn_from_the_others(build, data, model):
    fold_N = np.arange(len(data.train)) // 2 % 3
    picked = np.flatnonzero(np.arange(len(data.train)) % 5)  # four fifths of the train split
    settings, hyper = replace(SETTINGS, epochs=1, patience=1), Hyperparameters(**HYPER)
    objective, study = build(
        "quality",
        num_repeats=3,
        fold_N=fold_N,
        plan=lambda values, repeat: Plan(model, replace(data, indices=picked), settings, hyper),
    )
    (trial,) = run(study, objective, [0.1])
    scores = []
    for fold in range(3):
        own = tiny_model("bag_of_embeddings", data.folder)
        fit(own, replace(data, indices=picked[fold_N[picked] != fold]), settings, hyper)
        logits_NC = predict_logits(own, data.train, data.pad_id, data.num_outputs, settings)
        held_out = fold_N == fold
        scores.append(score_logits(data.task, logits_NC[held_out], data.train.labels[held_out], data.target))
    assert len(set(scores)) == 3
    assert list(trial.intermediate_values.values()) == pytest.approx(scores)
    assert trial.value == pytest.approx(np.mean(scores))


def test_trials_of_one_architecture_have_one_latency(build):
    """What is measured twice is never quite the same, and would decide between models that are."""
    objective, study = build("quality", "latency_ms")
    run(study, objective, [0.1, 0.2])
    assert study.trials[0].values[1] == study.trials[1].values[1] > 0


def test_a_trial_that_breaks_a_limit_is_not_trained(build):
    objective, study = build("quality", constraints=["size_mb <= 0.001", "latency_ms <= 1000"], pruner="median")
    (trial,) = run(study, objective, [0.1])
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs[EPOCHS] == 0
    assert "size_mb <= 0.001" in trial.user_attrs[OVER_LIMIT]
    assert "latency_ms" not in trial.user_attrs[OVER_LIMIT]
    assert trial.constraints["size_mb <= 0.001"] > 0 > trial.constraints["latency_ms <= 1000"]
    assert trial.user_attrs[FIGURES].keys() == {"latency_ms", "size_mb"}
    assert not trial.intermediate_values
    with pytest.raises(NothingLearned, match=r"size_mb <= 0\.001: by 0\.00\d+ at least"):
        choose(study, ["quality"], "quality", 0.0)


@pytest.mark.parametrize("rate", [float("inf"), 1e30])
def test_a_diverging_trial_is_an_error_and_has_its_epochs(build, rate):
    objective, study = build("quality", reports_per_epoch=2)
    trial = study.ask()
    with pytest.raises(DivergedTraining):
        objective(trial, {**HYPER, "learning_rate": rate})
    assert 0 < study.trials[0].user_attrs[EPOCHS] < NUM_EPOCHS


def test_trials_leave_no_model_in_memory_however_they_end(build, data):
    """Circles of references, as a trainer and its model are in, last until Python looks for them, which is rarely."""

    def plan(values, repeat):
        settings = replace(SETTINGS, epochs=1, patience=1)
        return Plan(given, data, settings, Hyperparameters(**values))

    given = tiny_transformer(num_layers=1)
    objective, study = build("quality", pruner="successive_halving", reports_per_epoch=2, plan=plan)
    gc.collect()
    gc.disable()
    try:
        before, ends = sum(type(one) is type(given) for one in gc.get_objects()), []
        for rate in (1e-2, USELESS, float("inf"), 1e-2):
            trial = study.ask()
            try:
                objective(trial, {**HYPER, "learning_rate": rate})
                ends.append("complete")
            except Exception as error:
                ends.append(type(error).__name__)
            assert sum(type(one) is type(given) for one in gc.get_objects()) == before
    finally:
        gc.enable()
    assert {"complete", "TrialPruned", "DivergedTraining"} == set(ends)
    assert gc.get_freeze_count() == 0


def test_a_trial_ends_when_the_time_is_up(build):
    objective, study = build("quality", deadline=time.monotonic())
    trial = study.ask()
    with pytest.raises(OutOfTime):
        objective(trial, HYPER)
    assert study.trials[0].user_attrs[EPOCHS] == pytest.approx(0.1)


def test_what_an_error_says_is_kept_by_the_worker(build):
    def plan(values, repeat):
        raise DivergedTraining("too bold")

    objective, study = build("quality", plan=plan)
    with pytest.raises(ValueError, match="too bold"):
        run(study, objective, [0.1])
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].user_attrs[ERROR] == "too bold"
    assert study.trials[0].user_attrs[EPOCHS] == 0


SHAPES = {
    "width": Dimension("categorical", 32, choices=(8, 32, 128)),
    "learning_rate": Dimension("float", 5e-3, low=1e-3, high=2e-2, log=True),
}
REST = {name: value for name, value in HYPER.items() if name != "learning_rate"}


def plan_of_widths(data):
    def plan(values, repeat):
        width = values["width"]
        model = tiny_transformer(num_layers=1, hidden_size=width, intermediate_size=2 * width)
        hyper = {name: value for name, value in values.items() if name in HYPER}
        return Plan(model, data, replace(SETTINGS, epochs=2, patience=2), Hyperparameters(**hyper))

    return plan


def test_several_objectives_are_searched_by_training(build, data):
    objectives = ["quality", "size_mb", "latency_ms"]
    objective, study = build(*objectives, plan=plan_of_widths(data), sampler="tpe")
    work(study, objective, SHAPES, REST, Limits(7, 1, 60.0))
    trials = study.trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 7
    assert all(not trial.intermediate_values for trial in trials), "Optuna prunes one objective only"
    sizes = {trial.params["width"]: trial.values[1] for trial in trials}
    assert len(sizes) >= 2, "or it shows nothing"
    assert sorted(sizes.values()) == [sizes[width] for width in sorted(sizes)]
    best = max(trial.values[0] for trial in trials)
    chosen = choose(study, objectives, "size_mb", 0.05)
    near = [trial for trial in trials if trial.values[0] >= best - 0.05]
    assert chosen in near
    assert chosen.values[1] == min(trial.values[1] for trial in near)
    assert chosen.number in {trial.number for trial in study.best_trials}


def test_quality_under_a_limit_keeps_its_pruner(build, data):
    widest = sum(p.numel() for p in plan_of_widths(data)({**HYPER, "width": 128}, 0).model.parameters()) * 4e-6
    limit = f"size_mb <= {widest - 0.01:.3f}"
    objective, study = build(
        "quality", constraints=[limit], plan=plan_of_widths(data), pruner="successive_halving", sampler="tpe"
    )
    work(study, objective, SHAPES, REST, Limits(10, 1, 60.0))
    over = [trial for trial in study.trials if trial.params["width"] == 128]
    assert over
    for trial in study.trials:
        assert set(trial.constraints) == {limit}
        assert (trial.constraints[limit] > 0) == (trial in over)
        if trial in over:
            assert (trial.state, trial.user_attrs.get(EPOCHS, 0)) == (TrialState.PRUNED, 0)
    assert any(trial.state == TrialState.PRUNED and trial.intermediate_values for trial in study.trials)
    chosen = choose(study, ["quality"], "quality", 0.0)
    assert chosen.params["width"] < 128
    assert chosen.value == max(trial.value for trial in study.trials if trial.state == TrialState.COMPLETE)
