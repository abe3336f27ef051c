"""What a trial is judged by: the figures, the limits on them, and the rule by which one trial is chosen."""

import copy
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import optuna
import torch
from optuna.trial import FrozenTrial, TrialState
from torch import nn

from textmill.data.batches import Batch, ordered_batches
from textmill.errors import UserError
from textmill.models.size import parameters_mb
from textmill.search.liveness import ERROR
from textmill.training.crossvalidation import take
from textmill.training.dataset import TrainingData
from textmill.training.lit_module import document_logits

METRICS: dict[str, Literal["maximize", "minimize"]] = {
    "quality": "maximize",
    "loss": "minimize",
    "latency_ms": "minimize",
    "size_mb": "minimize",
}
UNTRAINED = ("latency_ms", "size_mb")  # those that training does not change
OVER_LIMIT = "over_limit"  # attribute of a trial that was pruned before training: the limits that it breaks
_NUM_DOCUMENTS = 25
_LATENCY_S = 0.3  # of measuring; one round over the documents may take longer
_FEWEST_DOCUMENTS = 5  # of a model that is so slow


class NothingLearned(UserError):
    """A search ended without one complete trial that keeps the constraints."""


@dataclass(frozen=True)
class Constraint:
    metric: str
    sign: Literal["<=", ">="]
    limit: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """From a line of tune.constraints, such as `latency_ms <= 5`."""
        parts = re.fullmatch(r"(\w+) *(<=|>=) *([0-9.]+)", text)
        assert parts and parts[1] in METRICS, text  # params.yaml was checked
        return cls(parts[1], "<=" if parts[2] == "<=" else ">=", float(parts[3]))

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.limit:g}"

    def violation(self, value: float) -> float:
        """How far a value is beyond the limit; 0 or less keeps it."""
        return value - self.limit if self.sign == "<=" else self.limit - value


def measure_model(model: nn.Module, data: TrainingData, metrics: Sequence[str]) -> dict[str, float]:
    """Those of `latency_ms` and `size_mb` that are asked for; neither depends on training.

    Size is that of the parameters in float32, in units of 1e6 bytes. Latency is of the forward pass alone, in torch, on
    one thread of this machine: good for comparing trials, while stage `evaluate` measures what a caller waits for.
    """
    figures = {}
    if "latency_ms" in metrics:
        figures["latency_ms"] = latency_ms(model, data)
    if "size_mb" in metrics:
        figures["size_mb"] = parameters_mb(model)
    return figures


def latency_ms(model: nn.Module, data: TrainingData) -> float:
    """Milliseconds for one document of validation: the median over some, of each its fastest run.

    What else the machine does slows some runs down, and the fastest is that which it disturbed least.
    """
    model = copy.deepcopy(model).to("cpu").eval()
    batches = _single_documents(data)
    fastest_N = np.full(len(batches), np.inf)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for batch in batches[:3]:  # the first runs allocate memory
                document_logits(model, batch)
            deadline, rounds = time.perf_counter() + _LATENCY_S, 0
            while rounds == 0 or time.perf_counter() < deadline:
                for i, batch in enumerate(batches):
                    start = time.perf_counter()
                    if start > deadline and (rounds or i >= _FEWEST_DOCUMENTS):
                        break
                    document_logits(model, batch)
                    fastest_N[i] = min(fastest_N[i], 1e3 * (time.perf_counter() - start))
                rounds += 1
    finally:
        torch.set_num_threads(threads)
    return float(np.median(fastest_N[np.isfinite(fastest_N)]))


def _single_documents(data: TrainingData) -> list[Batch]:
    """Some documents of validation, evenly spread over their lengths, in an order that any part of is spread so too."""
    by_length = np.argsort(data.validation.lengths, kind="stable")
    places = np.linspace(0, len(by_length) - 1, min(_NUM_DOCUMENTS, len(by_length))).round().astype(int)
    batches: list[Any] = list(ordered_batches(take(data.validation, by_length[places]), data.pad_id, batch_size=1))
    return [batches[i] for i in np.random.default_rng(0).permutation(len(batches))]


def choose(study: optuna.Study, objectives: Sequence[str], prefer: str, tolerance: float) -> FrozenTrial:
    """The best complete trial that keeps all constraints; of several objectives, by the declared rule.

    The rule: among the trials whose first objective is within `tolerance` of its best value, the one that is best in
    `prefer`; ties go to the first objective, the others in their order, and the older trial. It lies on the Pareto
    front: what dominates it would be before it in this order.

    Raises: NothingLearned.
    """
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if all(violation <= 0 for violation in trial.constraints.values())
    ]
    if not trials:
        raise NothingLearned(_tell_why(study))
    costs = {trial.number: _costs(trial, objectives) for trial in trials}
    order, slack = ([prefer, *objectives], tolerance) if len(objectives) > 1 else (objectives, 0.0)
    limit = min(cost[objectives[0]] for cost in costs.values()) + slack
    near = [trial for trial in trials if costs[trial.number][objectives[0]] <= limit]
    return min(near, key=lambda trial: (*(costs[trial.number][name] for name in order), trial.number))


def _costs(trial: FrozenTrial, objectives: Sequence[str]) -> dict[str, float]:
    """By objective, so that less is better."""
    signs = [-1 if METRICS[name] == "maximize" else 1 for name in objectives]
    return {name: sign * value for name, sign, value in zip(objectives, signs, trial.values, strict=True)}


def _tell_why(study: optuna.Study) -> str:
    trials = study.get_trials(deepcopy=False)
    errors = [trial.user_attrs[ERROR] for trial in trials if ERROR in trial.user_attrs]
    broken = [trial for trial in trials if any(violation > 0 for violation in trial.constraints.values())]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED and trial not in broken]
    reasons, ways_out = [], []
    if errors:
        most = max(dict.fromkeys(errors), key=errors.count)
        reasons.append(f"ended with an error: {len(errors)}, {errors.count(most)} of them with: {most}")
        ways_out.append("narrow tune.space around values that train")
    if broken:
        reasons.append(f"over a limit of tune.constraints: {len(broken)} ({_nearest(broken)})")
        ways_out.append("relax tune.constraints, or let tune.space hold smaller models")
    if pruned:
        reasons.append(f"stopped by the pruner: {len(pruned)}")
        ways_out.append("set tune.pruner: none")
    others = len(trials) - len(errors) - len(broken) - len(pruned)
    if others or not reasons:
        reasons.append(f"not ended: {others}" if others else "none was run")
        ways_out.append("give more time (tune.timeout_minutes)")
    return (
        f"None of the {len(trials)} trials of study {study.study_name} ran to its end within the limits: "
        f"{'; '.join(reasons)}. To go on, {', or '.join(ways_out)}; tune.num_trials: 0 takes the defaults."
    )


def _nearest(broken: Sequence[FrozenTrial]) -> str:
    """By how much each limit was broken in the trial that came nearest to keeping it."""
    found: dict[str, list[float]] = {}
    for trial in broken:
        for limit, violation in trial.constraints.items():
            found.setdefault(limit, []).extend([violation] if violation > 0 else [])
    return ", ".join(f"{limit}: by {min(by):.3g} at least" for limit, by in found.items() if by)
