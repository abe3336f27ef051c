"""A study as plain JSON: what the report, MLflow and `textmill study` tell is told from this alone."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from textmill.search.claims import SURPLUS
from textmill.search.liveness import ATTEMPT, ERROR, RETRY_OF, STOPPED, WORKER
from textmill.search.space import Dimension, Space, from_params
from textmill.search.work import COPY_OF

MIN_TRIALS = 8  # complete ones, before the importance of a key is more than chance
_SEED = 0  # of fANOVA's forest: the same trials give the same importances
_EPOCHS, _FIGURES = "epochs", "figures"  # of search.objective, which is not imported because it brings torch


def describe(
    trial: FrozenTrial, space: Space, fixed: Mapping[str, Any], objectives: Sequence[str] = ("quality",)
) -> dict[str, Any]:
    """A trial as plain JSON.

    Returns:
        number: from 0 on. state: complete, pruned, fail, running or waiting. score: the first objective, of a pruned
        trial its last report, else None. figures: what was measured by metric, the objectives of a complete trial
        first. values: by dotted key of params.yaml, pinned ones included; none for a trial that ended before it had
        any, or was given back. reports: `[step, score]` of each report. epochs: of training, or None. seconds, started
        (ISO 8601), worker (`HOST:PID`): or None. error: of a trial that raised; stopped: why one ended without its own
        doing; copy_of: the trial whose result it took; retry_of, attempt: of a trial that is run again because its
        process died; each is None where there is none.
        constraints: by limit, with `violation` (0 or less keeps it) and `kept`.
    """
    attributes, state = trial.user_attrs, trial.state.name.lower()
    reports = [[step, value] for step, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]
    figures = dict(zip(objectives, trial.values, strict=True)) if trial.state == TrialState.COMPLETE else {}
    score = figures.get(objectives[0])
    given_back = attributes.get(STOPPED) == SURPLUS
    params = {} if given_back else {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    worker = attributes.get(WORKER)
    return {
        "number": trial.number,
        "state": state,
        "score": reports[-1][1] if state == "pruned" and reports else score,
        "figures": {**figures, **{k: v for k, v in attributes.get(_FIGURES, {}).items() if k not in figures}},
        "values": from_params(params, space, fixed) if params else {},
        "reports": reports,
        "epochs": attributes.get(_EPOCHS),
        "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 3),
        "started": trial.datetime_start.astimezone().isoformat() if trial.datetime_start else None,
        "worker": f"{worker['host']}:{worker['pid']}" if worker else None,
        "error": attributes.get(ERROR),
        "stopped": attributes.get(STOPPED),
        "copy_of": attributes.get(COPY_OF),
        "retry_of": attributes.get(RETRY_OF),
        "attempt": attributes.get(ATTEMPT),
        "constraints": {
            limit: {"violation": violation, "kept": violation <= 0} for limit, violation in trial.constraints.items()
        },
    }


def describe_study(
    study: optuna.Study, space: Space, fixed: Mapping[str, Any], objectives: Sequence[str] = ("quality",)
) -> dict[str, Any]:
    """A study as plain JSON, from which `rebuild.rebuild` makes one in memory.

    Returns:
        study: its name. objectives, directions: by objective. distributions: of each searched key, in Optuna's JSON.
        trials: see `describe`, in the order of their numbers. importances: see `importances`.
    """
    trials = study.get_trials(deepcopy=False)
    distributions = {name: found for trial in trials for name, found in trial.distributions.items()}
    return {
        "study": study.study_name,
        "objectives": list(objectives),
        "directions": [direction.name.lower() for direction in study.directions],
        "distributions": {name: json.loads(distribution_to_json(one)) for name, one in distributions.items()},
        "trials": [describe(trial, space, fixed, objectives) for trial in trials],
        "importances": importances(study),
    }


def space_of(study: optuna.Study) -> Space:
    """The searched keys of a study that params.yaml does not ask for, as far as its trials tell them."""
    space = {}
    for trial in study.get_trials(deepcopy=False):
        for name, found in trial.distributions.items():
            choices = tuple(map(_decode, getattr(found, "choices", ())))
            space[name] = Dimension("categorical" if choices else "float", None, choices=choices)
    return space


def importances(study: optuna.Study) -> dict[str, Any]:
    """How much of the variance of the first objective each searched key explains, by fANOVA.

    Hutter, Hoos and Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014. Only
    complete trials count, and only keys that all of them have, with more than one value.

    Returns:
        shares: by key, the largest first, 1 in all; empty where nothing can be said. note: what is left out, or why
        there is nothing, or None.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < MIN_TRIALS:
        return _nothing(f"Too few complete trials to tell ({len(complete)}); it takes {MIN_TRIALS}.")
    if len({trial.values[0] for trial in complete}) == 1:
        return _nothing("All complete trials have the same score.")
    searched = sorted({name for trial in complete for name in trial.params})
    varied = [
        name
        for name in searched
        if all(name in trial.params for trial in complete) and len({trial.params[name] for trial in complete}) > 1
    ]
    if not varied:
        return _nothing("No key has more than one value in all complete trials.")
    shares = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.FanovaImportanceEvaluator(seed=_SEED),
        params=varied,
        target=lambda trial: trial.values[0],
    )
    left_out = [name for name in searched if name not in varied]
    note = f"Not all complete trials have {', '.join(left_out)}, or only one value of it." if left_out else None
    return {"shares": {name: float(share) for name, share in shares.items()}, "note": note}


def _decode(choice: Any) -> Any:
    """The reverse of `encode` where the space is not known; a text that looks like a list is none of ours."""
    try:
        return json.loads(choice) if isinstance(choice, str) and choice[:1] in ("[", "{") else choice
    except json.JSONDecodeError:
        return choice


def _nothing(note: str) -> dict[str, Any]:
    return {"shares": {}, "note": note}
