import math
import warnings

import numpy as np
import optuna
import pytest
from optuna.samplers import CmaEsSampler
from optuna.trial import TrialState

from textmill.search.claims import DRAW
from textmill.search.liveness import ERROR
from textmill.search.points import num_untried
from textmill.search.samplers import SamplerOfTrial, build_sampler
from textmill.search.space import Dimension, suggest

NUMBERS = {
    "a": Dimension("float", 0.5, low=0.0, high=1.0),
    "b": Dimension("float", 1e-3, low=1e-4, high=1e-1, log=True),
    "c": Dimension("int", 2, low=1, high=9),
}
CONDITIONAL = {
    "a": Dimension("float", 0.5, low=0.0, high=1.0),
    "kind": Dimension("categorical", "x", choices=("x", "y")),
    "rate": Dimension("float", 0.5, low=0.1, high=0.9, when={"kind": ("y",)}),
}
FINITE = {
    "kind": Dimension("categorical", "x", choices=("x", "y", [1, 2])),
    "size": Dimension("int", 4, low=2, high=6, step=2),
    "rate": Dimension("float", 0.5, low=0.1, high=0.4, step=0.1, when={"kind": ("y",), "size": (2, 4)}),
    "only": Dimension("int", 3, low=3, high=3),
}
FINITE_POINTS = 3 + (4 + 4 + 1) + 3  # kinds x, y and [1, 2]
SAMPLERS = ("tpe", "gp", "cmaes", "random", "brute_force")


def bowl(values):
    """Least at a = 0.3, b = 0.01, c = 5."""
    return (
        (values.get("a", 0) - 0.3) ** 2
        + math.log10(values.get("b", 0.01) / 0.01) ** 2
        + ((values.get("c", 5) - 5) / 8) ** 2
    )


def new_study(name, storage=None, seed=3, pruner=None):
    return optuna.create_study(
        storage=storage,
        study_name="study",
        load_if_exists=True,
        sampler=build_sampler(name, seed) if isinstance(name, str) else name,
        pruner=pruner or optuna.pruners.NopPruner(),
    )


def run(study, space, number, function=bowl):
    for _ in range(number):
        trial = study.ask()
        study.tell(trial, function(suggest(trial, space, {})))


def drawn(study):
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_restart_after_each_trial_changes_nothing(name):
    space = FINITE if name == "brute_force" else NUMBERS
    undisturbed = new_study(name)
    run(undisturbed, space, 12)
    storage = optuna.storages.InMemoryStorage()
    for _ in range(12):
        run(new_study(name, storage), space, 1)
    assert drawn(new_study(name, storage)) == drawn(undisturbed)
    assert len({repr(params) for params in drawn(undisturbed)}) == 12, "nothing is proposed twice"
    other = new_study(name, seed=4)
    run(other, space, 12)
    assert drawn(other) != drawn(undisturbed)


@pytest.mark.parametrize("name", SAMPLERS)
def test_workers_side_by_side_draw_different_values(name):
    storage = optuna.storages.InMemoryStorage()
    space = FINITE if name == "brute_force" else NUMBERS
    run(new_study(name, storage), space, 5)
    first, second = new_study(name, storage), new_study(name, storage)
    trials = [study.ask() for study in (first, second)]
    assert suggest(trials[0], space, {}) != suggest(trials[1], space, {})


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes", "random"])
def test_a_retried_trial_is_drawn_as_the_one_that_it_repeats(name):
    def one_more(after_a_kill):
        study = new_study(name)
        run(study, NUMBERS, 6)
        if after_a_kill:
            study.tell(study.ask(), state=TrialState.FAIL)
            study.enqueue_trial({}, user_attrs={DRAW: 6})
        return suggest(study.ask(), NUMBERS, {})

    assert one_more(after_a_kill=True) == one_more(after_a_kill=False)


@pytest.mark.parametrize("name", SAMPLERS)
def test_conditions_categories_and_constraints_warn_of_nothing(name, caplog):
    space = FINITE if name == "brute_force" else CONDITIONAL
    study = new_study(name)
    optuna.logging.enable_propagation()
    with warnings.catch_warnings(action="error"), caplog.at_level("WARNING"):
        for number in range(12):
            trial = study.ask()
            values = suggest(trial, space, {})
            trial.set_constraint("size_mb <= 5", number - 9)
            study.tell(trial, bowl(values))
    optuna.logging.disable_propagation()
    assert not [record for record in caplog.records if record.levelname != "INFO"]
    assert {"rate" in params for params in drawn(study)} == {True, False}


def test_models_find_the_least_better_than_chance():
    def best(name, number=40):
        found = []
        for seed in range(3):
            study = new_study(name, seed=seed)
            run(study, NUMBERS, number)
            found.append(study.best_value)
        return np.mean(found)

    chance = best("random")
    assert {name: best(name) < chance for name in ("tpe", "cmaes")} == {"tpe": True, "cmaes": True}
    assert best("gp", 15) < chance, "a smooth function of three numbers is what it is made for"


class _Original(SamplerOfTrial):
    """Optuna's own CMA-ES, which unpickles its optimizer, seeded alike and for each trial anew."""

    def _of(self, study, trial):
        if trial.number != self._number:
            self._number = trial.number
            seed = int(np.random.SeedSequence([self.seed, trial.number]).generate_state(1)[0])
            self._sampler = _Drawing(seed=seed)
        return self._sampler


class _Drawing(CmaEsSampler):
    """A new optimizer takes a random number; where one is restored, it is drawn as well, to keep step."""

    def _restore_optimizer(self, completed_trials):
        optimizer = super()._restore_optimizer(completed_trials)
        if optimizer is not None:
            self._cma_rng.rng.randint(1, 2**31 - 2)
        return optimizer


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_cma_es_is_optunas_without_a_pickle(direction):
    ours, theirs = (
        optuna.create_study(sampler=sampler, direction=direction)
        for sampler in (build_sampler("cmaes", 3), _Original("cmaes", 3))
    )
    for study in (ours, theirs):
        run(study, NUMBERS, 40, bowl if direction == "minimize" else lambda values: -bowl(values))
    assert max(trial.system_attrs.get("cma:generation", 0) for trial in theirs.trials) >= 4
    for one, other in zip(drawn(ours), drawn(theirs), strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    assert any("optimizer" in key for trial in theirs.trials for key in trial.system_attrs)
    assert {key for trial in ours.trials for key in trial.system_attrs} == {"cma:generation"}


def test_a_generation_of_cma_es_does_not_change_when_an_older_trial_ends_late():
    study = new_study("cmaes")
    run(study, NUMBERS, 1)
    late = study.ask()
    late_values = suggest(late, NUMBERS, {})
    run(study, NUMBERS, 9)

    def next_values():
        trial = study.ask()
        values = suggest(trial, NUMBERS, {})
        study.tell(trial, state=TrialState.FAIL)
        return values

    study.sampler.seed, number = 3, len(study.trials)
    before = next_values()
    study.tell(late, bowl(late_values))
    study.enqueue_trial({}, user_attrs={DRAW: number})
    assert next_values() == before


def test_tpe_keeps_away_from_values_that_broke_a_limit_and_were_pruned():
    study = new_study("tpe")
    for _ in range(40):
        trial = study.ask()
        a = trial.suggest_float("a", 0, 1)
        trial.set_constraint("latency_ms <= 5", a - 0.25)
        if a > 0.25:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, (a - 0.1) ** 2)
    kept = [trial.state == TrialState.COMPLETE for trial in study.trials]
    assert sum(kept[-20:]) >= 15, "by chance 5 would be"


@pytest.mark.parametrize("limited", [True, False])
def test_the_gaussian_process_does_not_propose_what_was_pruned_again(limited):
    """Optuna's, which does not look at pruned trials, proposes 1.0 in all of the last eight."""
    study = new_study("gp")
    for _ in range(14):
        trial = study.ask()
        a = trial.suggest_float("a", 0, 1)
        is_pruned = a > 0.8  # the end that looks best
        if limited:
            trial.set_constraint("size_mb <= 5", a - 0.8)
        else:
            trial.report(2 - a if is_pruned else -a, 1)
        study.tell(trial, None if is_pruned else -a, state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE)
    late = [params["a"] for params in drawn(study)[6:]]
    assert len({round(a, 4) for a in late}) == 8
    assert max(late) < 0.9


def test_brute_force_tries_every_point_once_whatever_failed_before():
    study = new_study("brute_force")
    study.tell(study.ask(), state=TrialState.FAIL)  # given back before it had values
    part = study.ask()
    part.suggest_categorical("kind", ["x", "y", "[1, 2]"])
    study.tell(part, state=TrialState.FAIL)  # killed between two of its values
    wrong = study.ask()
    suggest(wrong, FINITE, {})
    wrong.set_user_attr(ERROR, "it does not train")
    study.tell(wrong, state=TrialState.FAIL)
    left = []
    while left[-1:] != [0]:
        run(study, FINITE, 1)
        left.append(num_untried(study.trials, FINITE_POINTS))
    assert left == [*range(FINITE_POINTS - 2, -1, -1)]
    tried = [repr(trial.params) for trial in study.trials[2:]]
    assert len(tried) == len(set(tried)) == FINITE_POINTS
