import math

import optuna
import pytest
from optuna.trial import TrialState

from textmill.search.pruners import build_pruner


@pytest.mark.parametrize(
    ("num_reports", "brackets", "first"),
    [(2, 2, 1), (4, 3, 1), (8, 4, 1), (9, 3, 1), (27, 4, 1), (60, 4, 2), (100, 4, 3)],
)
def test_few_reports_make_brackets_too(num_reports, brackets, first):
    pruner = build_pruner("hyperband", num_reports)
    study = optuna.create_study(study_name="study", direction="maximize", pruner=pruner)
    stopped = set()
    for number in range(80):
        trial = study.ask()
        for step in range(1, num_reports + 1):
            trial.report(-number, step)  # each is worse than those before
            if step < num_reports and trial.should_prune():
                stopped.add(step)
                break
        study.tell(trial, state=TrialState.PRUNED)
    assert pruner._n_brackets == brackets
    factor = 3 if num_reports >= 9 else 2
    rungs = {first * factor**rung for rung in range(brackets)}
    assert stopped == {rung for rung in rungs if rung < num_reports}


def test_successive_halving_lets_the_best_part_go_on():
    study = optuna.create_study(direction="minimize", pruner=build_pruner("successive_halving", 9))
    lasted = []
    for number in range(90):
        trial, step = study.ask(), 0
        for step in range(1, 10):
            trial.report((number * 37) % 90, step)
            if step < 9 and trial.should_prune():
                break
        lasted.append(step)
        study.tell(trial, state=TrialState.PRUNED)
    assert set(lasted) == {1, 3, 9}
    assert lasted.count(1) == pytest.approx(60, abs=8), "two thirds, of trials in random order"
    assert lasted.count(9) == pytest.approx(10, abs=6)


@pytest.mark.parametrize(("repeats", "stops_after"), [(3, 2), (4, 3), (5, 4), (8, 4)])
def test_wilcoxon_stops_a_trial_that_is_worse_every_time_before_its_last_repeat(repeats, stops_after):
    study = optuna.create_study(direction="maximize", pruner=build_pruner("wilcoxon", repeats))
    good = study.ask()
    for step in range(1, repeats + 1):
        good.report(0.9 + 0.01 * step, step)
    study.tell(good, 0.9)
    bad, mixed = study.ask(), study.ask()
    for step in range(1, repeats):
        bad.report(0.5 + 0.02 * step, step)
        mixed.report(0.95 + 0.02 * (-1) ** step, step)
        assert bad.should_prune() == (step >= stops_after)
        assert not mixed.should_prune()
    assert 2.0**-stops_after < max(0.1, 1.01 * 2.0 ** (1 - repeats)), "the smallest p-value there is"


def test_the_median_pruner_waits_for_trials_to_compare_with():
    study = optuna.create_study(direction="maximize", pruner=build_pruner("median", 2))
    stopped = []
    for number in range(6):
        trial = study.ask()
        trial.report(-number, 1)
        stopped.append(trial.should_prune())
        study.tell(trial, -number)
    assert stopped == [False] * 4 + [True] * 2


def test_without_a_pruner_even_what_is_no_number_goes_on():
    study = optuna.create_study(pruner=build_pruner("none", 3))
    trial = study.ask()
    trial.report(math.nan, 1)
    assert not trial.should_prune()
