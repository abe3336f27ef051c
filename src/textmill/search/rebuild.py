"""A study in memory, from the plain JSON that tells of it: for Optuna's plots, where no database is."""

import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from textmill.search.space import encode


def rebuild(record: Mapping[str, Any]) -> optuna.Study:
    """The study of `describe.describe_study` in memory, with the numbers that its trials had, for Optuna's plots.

    Trials that had not ended are there as waiting: nobody works on them any more.
    """
    study = optuna.create_study(
        study_name=record["study"],
        storage=optuna.storages.InMemoryStorage(),
        directions=record["directions"],
        sampler=optuna.samplers.RandomSampler(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(record["objectives"])
    distributions = {name: json_to_distribution(json.dumps(told)) for name, told in record["distributions"].items()}
    for told in record["trials"]:
        study.add_trial(_rebuild_trial(told, distributions, record["objectives"]))
    return study


def _rebuild_trial(
    told: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], objectives: Sequence[str]
) -> FrozenTrial:
    ended = told["state"] in ("complete", "pruned", "fail")
    started = datetime.fromisoformat(told["started"]).replace(tzinfo=None) if told["started"] and ended else None
    params = {name: encode(told["values"][name]) for name in distributions if name in told["values"] and ended}
    values = [told["figures"][name] for name in objectives] if told["state"] == "complete" else None
    if told["state"] == "pruned" and told["score"] is not None:
        values = [told["score"]]  # as Optuna has it
    trial = FrozenTrial(
        number=told["number"],
        trial_id=told["number"],
        state=TrialState[told["state"].upper()] if ended else TrialState.WAITING,
        value=None,
        values=values,
        datetime_start=started,
        datetime_complete=started + timedelta(seconds=told["seconds"] or 0) if started else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs={},
        system_attrs={},
        intermediate_values={int(step): value for step, value in told["reports"]},
    )
    for limit, constraint in told["constraints"].items():
        trial.set_constraint(limit, constraint["violation"])
    return trial
