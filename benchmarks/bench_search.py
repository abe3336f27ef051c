"""What the search costs and gains, with a bag of embeddings: three parts, each a results file of its own.

python -m benchmarks.bench_search --part overhead    about 2 minutes
python -m benchmarks.bench_search --part hyperband   about 50 minutes
python -m benchmarks.bench_search --part workers     about 6 minutes

overhead   seconds of stage tune for each trial beyond `fit`: sampler, storage, MLflow, and the outputs at the end;
           start-up, to the first training, is told apart
hyperband  epochs until a complete trial has the score that random search without a pruner has found with its whole
           budget, as a share of that budget; learning rates over four orders of magnitude, --seeds of both searches
workers    trials a minute of two workers and of one, with one thread each, from the first trial's start to the last
           one's end; the same random values

overhead and workers are measured on BBC News, hyperband on Reuters R8, where scores are further apart.

--clone DIR makes the clone there and finds it again, so that another part need not read and clean the documents.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.bench_results import set_values
from benchmarks.clone import fresh_clone, run, write_result

FAMILY = "bag_of_embeddings"
COMMON = {
    "model.family": FAMILY,
    f"model.{FAMILY}": {"embeddings": "own", "embedding_size": 64},  # an epoch takes a fraction of a second
    "training.batch_size": 32,
    "tune.train_fraction": 1.0,
}
WIDE = {"type": "float", "low": 1.0e-5, "high": 1.0e-1, "log": True, "default": 5.0e-3}  # learning rates
STATE = ("optuna.db", "mlflow.db", "mlruns", "models/search")
# The stage in its own process, with the time of each `fit`.
TIMED = """
import json, sys, time
from pathlib import Path
import pipeline.tune as stage
from pipeline import Paths, load_params
begin, spans = time.perf_counter(), []
from textmill.search import objective
fit = objective.fit
def timed(*arguments, **keywords):
    start = time.perf_counter()
    try:
        return fit(*arguments, **keywords)
    finally:
        spans.append((start, time.perf_counter()))
objective.fit = timed
stage.run(load_params(), Paths.here())
Path("spans.json").write_text(json.dumps({"begin": begin, "spans": spans, "end": time.perf_counter()}))
"""


@contextmanager
def prepared(preset: str, folder: Path | None) -> Iterator[Path]:
    """A clone with tokens; one that is given is kept."""
    if folder and (folder / "data/tokens/tokens.json").exists():
        yield folder
        return
    with fresh_clone(preset) as clone:
        set_values(clone / "params.yaml", COMMON)
        run(clone, "dvc", "repro", "tokenize", "pretrain")
        if folder:
            shutil.copytree(clone, folder, dirs_exist_ok=True, symlinks=True)
        yield folder or clone


def measure_overhead(clone: Path, num_trials: int) -> dict[str, Any]:
    """Seconds a trial, from the first training on, that are none of training."""
    begin_anew(clone, {"tune.num_trials": num_trials, "tune.epochs": 2, "tune.pruner": "median", "tune.workers": 1})
    run(clone, sys.executable, "-c", TIMED)
    found = json.loads((clone / "spans.json").read_text())
    spans = found["spans"]
    training = [end - start for start, end in spans]
    between = [after[0] - before[1] for before, after in pairwise(spans)]
    beyond = found["end"] - spans[0][0] - sum(training)
    return {
        "num_trials": len(spans),
        "overhead_per_trial_s": round(beyond / len(spans), 3),
        "between_trials_s": {"median": round(statistics.median(between), 3), "max": round(max(between), 3)},
        "fit_s": {"mean": round(statistics.mean(training), 3)},
        "start_up_s": round(spans[0][0] - found["begin"], 1),
    }


def begin_anew(clone: Path, values: dict[str, Any]) -> None:
    """Set values in params.yaml and forget what was searched."""
    set_values(clone / "params.yaml", {**COMMON, **values})
    for name in STATE:
        path = clone / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def compare_hyperband(clone: Path, num_trials: int, epochs: int, seeds: list[int]) -> dict[str, Any]:
    """Random search with `num_trials` whole trainings; then TPE with hyperband until it is as good or costs as much."""
    begin_anew(
        clone,
        {"tune.epochs": epochs, "tune.reports_per_epoch": 1, f"tune.space.{FAMILY}.learning_rate": WIDE},
    )
    budget, runs = float(num_trials * epochs), []
    for seed in seeds:
        start = time.perf_counter()
        random = search(clone, "random", "none", seed, epochs, budget, None)
        target = random[-1][1]
        hyperband = search(clone, "tpe", "hyperband", seed, epochs, budget, target)
        reached = hyperband[-1][0] if hyperband[-1][1] >= target else None
        runs.append(
            {
                "seed": seed,
                "score_of_random": round(target, 4),
                "epochs_of_hyperband": reached,
                "share_of_budget": None if reached is None else round(reached / budget, 3),
                "epochs_of_random": next(cost for cost, score in random if score >= target),
                "trials_of_hyperband": len(hyperband),
                "score_of_hyperband": round(hyperband[-1][1], 4),
            }
        )
        print(f"{runs[-1]}, {time.perf_counter() - start:.0f} s", flush=True)
    shares = [one["share_of_budget"] for one in runs]
    mean = None if None in shares else round(statistics.mean(shares), 3)
    return {"budget_epochs": budget, "epochs_of_a_trial": epochs, "share_of_budget": mean, "runs": runs}


def search(
    clone: Path, sampler: str, pruner: str, seed: int, epochs: int, budget: float, target: float | None
) -> list[tuple[float, float]]:
    """After each trial the epochs spent so far and the best score of a complete one; ends at the budget or target."""
    import optuna

    from textmill.config import load_params
    from textmill.paths import Paths
    from textmill.search.objective import EPOCHS
    from textmill.search.pruners import build_pruner
    from textmill.search.samplers import build_sampler
    from textmill.search.setup import build_objective, family_space
    from textmill.search.space import suggest

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    params, paths = load_params(clone / "params.yaml"), Paths(clone, clone)
    objective = build_objective(params, paths, None, lambda trial: None)
    space, fixed = family_space(params)
    study = optuna.create_study(
        study_name=f"{pruner}-{seed}",
        direction="maximize",
        sampler=build_sampler(sampler, seed),
        pruner=build_pruner(pruner, epochs),
    )
    spent, best, trace = 0.0, 0.0, []
    while spent < budget and (target is None or best < target):
        trial = study.ask()
        try:
            study.tell(trial, objective(trial, suggest(trial, space, fixed)))
            best = study.best_value
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        spent += study.trials[-1].user_attrs[EPOCHS]
        trace.append((round(spent, 2), best))
    return trace


def compare_workers(clone: Path, num_trials: int, epochs: int, num_rounds: int) -> dict[str, Any]:
    """Trials a minute of one and of two workers, in turns: the speed of a virtual machine wanders."""
    os.environ["OMP_NUM_THREADS"] = "1"
    values = {"tune.num_trials": num_trials, "tune.epochs": epochs, "tune.sampler": "random", "tune.pruner": "none"}
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(num_rounds):
        for workers in (1, 2) if number % 2 == 0 else (2, 1):
            begin_anew(clone, {**values, "tune.workers": workers})
            run(clone, sys.executable, "-m", "pipeline.tune")
            rates[workers].append(round(60 * num_trials / _seconds_of_trials(clone), 2))
            print(f"{workers} at work: {rates[workers][-1]} trials a minute", flush=True)
    return {
        "num_trials": num_trials,
        "epochs_of_a_trial": epochs,
        "trials_per_minute": {"one_worker": rates[1], "two_workers": rates[2]},
        "two_to_one": round(statistics.mean(rates[2]) / statistics.mean(rates[1]), 2),
    }


def _seconds_of_trials(clone: Path) -> float:
    """From the first trial's start to the last one's end."""
    import optuna

    (study,) = optuna.get_all_study_names(storage := f"sqlite:///{clone}/optuna.db")
    trials = optuna.load_study(study_name=study, storage=storage).trials
    ended, began = [t.datetime_complete for t in trials], [t.datetime_start for t in trials]
    return (max(filter(None, ended)) - min(filter(None, began))).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["overhead", "hyperband", "workers"], required=True)
    parser.add_argument("--trials", type=int, help="of a search; 20 for overhead, 27 for hyperband, 16 for workers")
    parser.add_argument("--epochs", type=int, help="of a trial; 27 for hyperband, 9 for workers")
    parser.add_argument("--data", help="preset; reuters-r8 for hyperband, else bbc-news")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="for hyperband")
    parser.add_argument("--rounds", type=int, default=3, help="of both, for workers")
    parser.add_argument("--clone", type=Path, metavar="DIR")
    options = parser.parse_args()
    is_hyperband = options.part == "hyperband"
    epochs = options.epochs or (27 if is_hyperband else 9)
    with prepared(options.data or ("reuters-r8" if is_hyperband else "bbc-news"), options.clone) as clone:
        if options.part == "overhead":
            figures = measure_overhead(clone, options.trials or 20)
        elif options.part == "hyperband":
            figures = compare_hyperband(clone, options.trials or 27, epochs, options.seeds)
        else:
            figures = compare_workers(clone, options.trials or 16, epochs, options.rounds)
    write_result(f"search-{options.part}", figures)


if __name__ == "__main__":
    main()
