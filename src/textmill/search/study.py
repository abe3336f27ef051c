"""A study by its name: made, joined or continued, and compared with what is asked of it."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage

from textmill.errors import UserError
from textmill.search.measures import METRICS
from textmill.search.pruners import build_pruner
from textmill.search.samplers import build_sampler
from textmill.search.storage import open_storage
from textmill.search.storage_errors import hide_password, telling

DECLARED = "declared"
_SHOWN = 6  # differences of two studies, and studies of a project
_GONE = "nothing"


class IncompatibleStudy(UserError):
    """There is a study of this name that searches something else."""


class NoStudy(UserError):
    """There is no study of this name."""


@dataclass(frozen=True)
class StudySettings:
    name: str  # holds the hash of all that decides the trials' results
    storage: str  # url
    sampler: str
    pruner: str
    seed: int
    num_reports: int  # of an undisturbed trial
    objectives: Sequence[str]
    declared: dict[str, Any]  # what the name hashes: kept on the study, so that a difference can be told


def open_study(settings: StudySettings, *, create: bool = True) -> optuna.Study:
    """Make the study or join it; of processes that do so at the same time, all get the same one.

    Raises: StorageUnusable, IncompatibleStudy; NoStudy: `create` is off, and there is none.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(settings.storage)
    with telling(settings.storage):
        if not create:
            _check_there(storage, settings)
        study = optuna.create_study(
            storage=storage,
            study_name=settings.name,
            directions=[METRICS[name] for name in settings.objectives],
            sampler=build_sampler(settings.sampler, settings.seed),
            pruner=build_pruner(settings.pruner, settings.num_reports),
            load_if_exists=True,
        )
        _check_same(study, settings)
        if DECLARED not in study.user_attrs:
            study.set_user_attr(DECLARED, settings.declared)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names(list(settings.objectives))  # for optuna-dashboard
    return study


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What differs between two declared records, a line each; of data and code, that they differ."""
    one, other = dict(_leaves(there)), dict(_leaves(here))
    told = []
    for name in sorted(one.keys() | other.keys()):
        before, now = one.get(name, _GONE), other.get(name, _GONE)
        if before != now and name != "key":
            kind = name.partition(".")[0]
            is_hash = kind in ("code", "inputs")
            told.append(
                f"{name.partition('.')[2]} differs" if is_hash else f"{name.removeprefix('params.')} {before} -> {now}"
            )
    return told


def _check_there(storage: BaseStorage, settings: StudySettings) -> None:
    studies = {study.study_name: study.user_attrs.get(DECLARED) for study in storage.get_all_studies()}
    if settings.name in studies:
        return
    project = settings.name.rpartition("-")[0]
    known = {name: declared for name, declared in studies.items() if declared and name.rpartition("-")[0] == project}
    where = hide_password(settings.storage)
    if not known:
        raise NoStudy(
            f"There is no study {settings.name} in {where}, and none of the project {project}. `textmill tune` without "
            "--join starts it; for another storage, correct tune.storage or TEXTMILL_STUDY_STORAGE."
        )
    apart = {name: differences(declared, settings.declared) for name, declared in known.items()}
    nearest = min(apart, key=lambda name: len(apart[name]))
    others = sorted(known.keys() - {nearest})
    raise NoStudy(
        f"There is no study {settings.name} in {where}. The nearest of the project {project} is {nearest}, from which "
        f"this checkout differs in {_list(apart[nearest])} (there -> here)."
        f"{f' Others: {_list(others)}.' if others else ''} Make data, params.yaml and code the same (`git pull`, `dvc "
        "pull`), or leave out --join to start a study of its own."
    )


def _check_same(study: optuna.Study, settings: StudySettings) -> None:
    where = f"The study {settings.name} in {hide_password(settings.storage)}"
    way_out = (
        "It is left as it is. Give params.yaml another `project`, name another tune.storage, or remove the study "
        f"(`optuna delete-study --storage URL --study-name {settings.name}`)."
    )
    wanted, found = [METRICS[name] for name in settings.objectives], [one.name.lower() for one in study.directions]
    if found != list(wanted):
        raise IncompatibleStudy(
            f"{where} has the directions {', '.join(found)}; tune.objectives ({', '.join(settings.objectives)}) needs "
            f"{', '.join(wanted)}. {way_out}"
        )
    has_trials = bool(study.get_trials(deepcopy=False))  # read first: who makes trials has declared before
    declared = study.user_attrs.get(DECLARED)
    if declared is None and has_trials:
        raise IncompatibleStudy(f"{where} has trials, but was not made by textmill. {way_out}")
    if declared is not None and (apart := differences(declared, settings.declared)):
        raise IncompatibleStudy(f"{where} searches something else: {_list(apart)} (there -> here). {way_out}")


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:  # as JSON gives it back
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _list(lines: Sequence[str]) -> str:
    more = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
