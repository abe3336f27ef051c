import time

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial

from tests.tiny_model import tiny_transformer, write_tokens
from textmill.search.liveness import ERROR
from textmill.search.measures import METRICS, Constraint, NothingLearned, choose, measure_model
from textmill.training.dataset import TrainingData


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens")))


def test_a_limit_is_read_and_says_how_far_a_value_is_beyond_it():
    limit = Constraint.parse("latency_ms <= 5")
    assert (limit.metric, limit.sign, limit.limit) == ("latency_ms", "<=", 5.0)
    assert [limit.violation(value) for value in (7.5, 5.0, 4.0)] == [2.5, 0.0, -1.0]
    floor = Constraint.parse("quality>=0.8")
    assert floor.violation(0.7) == pytest.approx(0.1)
    assert floor.violation(0.9) < 0
    assert [str(limit), str(floor)] == ["latency_ms <= 5", "quality >= 0.8"]


def test_size_counts_float32_parameters(data):
    model = torch.nn.Linear(1000, 250).to(torch.float16)
    assert measure_model(model, data, ["size_mb"]) == {"size_mb": pytest.approx(4 * 250_250 / 1e6)}
    assert measure_model(model, data, []) == {}


class _Slow(torch.nn.Module):
    """Takes 1 ms for each token, and notes what it was given."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, ids, mask):
        assert not self.training
        assert torch.get_num_threads() == 1
        self.shapes.append(tuple(ids.shape))
        time.sleep(1e-3 * ids.shape[1])
        return torch.zeros(len(ids), 2)

    def __deepcopy__(self, memo):
        return self


def test_latency_is_the_median_over_single_documents_of_all_lengths(data):
    model = _Slow().train()
    threads = torch.get_num_threads()
    start = time.perf_counter()
    figures = measure_model(model, data, ["latency_ms"])
    assert time.perf_counter() - start < 0.3 + 2 * 25 * 0.02
    assert torch.get_num_threads() == threads
    assert {rows for rows, _ in model.shapes} == {1}
    lengths = {length for _, length in model.shapes}
    assert {min(lengths), max(lengths)} == {data.validation.lengths.min(), data.validation.lengths.max()}
    median = float(np.median(data.validation.lengths))
    assert median <= figures["latency_ms"] < median + 3


def test_latency_of_a_slow_model_takes_only_some_documents(data, monkeypatch):
    model = _Slow()
    monkeypatch.setattr("textmill.search.measures._LATENCY_S", 0.0)
    figures = measure_model(model, data, ["latency_ms"])
    assert len(model.shapes) == 3 + 5, "three to warm up"
    assert figures["latency_ms"] >= data.validation.lengths.min()


def test_measuring_leaves_the_model_as_it_is(data):
    model = tiny_transformer().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    figures = measure_model(model, data, ["latency_ms", "size_mb"])
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert 0 < figures["latency_ms"] < 100
    assert figures["size_mb"] == pytest.approx(4e-6 * sum(p.numel() for p in model.parameters()))


def study_of(objectives, trials):
    """Each of `trials` is values, and violations of constraints."""
    study = optuna.create_study(directions=[METRICS[name] for name in objectives])
    for values, *constraints in trials:
        study.add_trial(create_trial(values=values, constraints=constraints[0] if constraints else {}))
    return study


@pytest.mark.parametrize(("objective", "best"), [("quality", 2), ("loss", 0), ("latency_ms", 0), ("size_mb", 0)])
def test_of_one_objective_the_best_and_oldest_is_chosen(objective, best):
    study = study_of([objective], [([0.1],), ([0.5],), ([0.9],), ([0.9],), ([0.1],)])
    assert choose(study, [objective], "latency_ms", 1.0).number == best
    assert study.best_value == study.trials[best].value


def test_what_breaks_a_limit_is_not_chosen():
    limit = "size_mb <= 5"
    study = study_of(["quality"], [([0.5], {limit: -1}), ([0.9], {limit: 0.1}), ([0.6], {limit: 0.0, "other": -1})])
    assert choose(study, ["quality"], "quality", 0.0).number == 2


@pytest.mark.parametrize(
    ("prefer", "tolerance", "expected"),
    [
        ("latency_ms", 0.0, 1),  # ties of quality: the faster
        ("latency_ms", 0.02, 2),
        ("latency_ms", 0.05, 4),  # as fast as 3, and better
        ("size_mb", 0.02, 2),
        ("size_mb", 0.05, 3),
        ("quality", 0.05, 1),  # ties: the next objective
        ("latency_ms", 1.0, 5),
    ],
)
def test_of_several_objectives_the_rule_chooses_on_the_front(prefer, tolerance, expected):
    objectives = ["quality", "latency_ms", "size_mb"]
    trials = [
        [0.90, 9.0, 50.0],  # dominated by the next
        [0.90, 8.0, 50.0],
        [0.88, 6.0, 40.0],
        [0.85, 4.0, 10.0],
        [0.86, 4.0, 30.0],
        [0.50, 1.0, 20.0],
        [0.95, 2.0, 1.0],  # breaks a limit
    ]
    study = study_of(objectives, [(values, {"loss <= 1": 1 if values[0] == 0.95 else -1}) for values in trials])
    chosen = choose(study, objectives, prefer, tolerance)
    assert chosen.number == expected
    assert expected in {trial.number for trial in study.best_trials}, "Optuna's own front"


def test_the_rule_never_leaves_the_front():
    objectives = ["quality", "latency_ms"]
    generator = np.random.default_rng(0)
    for _ in range(50):
        # Few different values, so that there are ties.
        study = study_of(objectives, [(generator.integers(0, 4, 2).astype(float).tolist(),) for _ in range(12)])
        front = {trial.number for trial in study.best_trials}
        for tolerance in (0.0, 1.0, 2.0):
            for prefer in objectives:
                assert choose(study, objectives, prefer, tolerance).number in front


def test_without_a_trial_to_choose_the_reasons_and_ways_out_are_told():
    study = study_of(
        ["quality"], [([0.9], {"quality >= 0.95": 0.05, "size_mb <= 5": -2}), ([0.8], {"quality >= 0.95": 0.15})]
    )
    add = study.add_trial
    add(create_trial(state=TrialState.PRUNED, constraints={"size_mb <= 5": 2.0}))
    add(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.1}))
    add(create_trial(state=TrialState.FAIL, user_attrs={ERROR: "The loss is nan."}))
    add(create_trial(state=TrialState.FAIL, user_attrs={ERROR: "The loss is nan."}))
    add(create_trial(state=TrialState.FAIL, user_attrs={ERROR: "Memory ran out."}))
    add(create_trial(state=TrialState.FAIL))
    with pytest.raises(NothingLearned) as error:
        choose(study, ["quality"], "quality", 0.0)
    told = str(error.value)
    for part in (
        "8 trials",
        "ended with an error: 3, 2 of them with: The loss is nan.",
        "over a limit of tune.constraints: 3 (quality >= 0.95: by 0.05 at least, size_mb <= 5: by 2 at least)",
        "stopped by the pruner: 1",
        "not ended: 1",
        "tune.space",
        "tune.pruner: none",
        "tune.num_trials: 0",
    ):
        assert part in told
    with pytest.raises(NothingLearned, match="none was run"):
        choose(optuna.create_study(), ["loss"], "loss", 0.0)
