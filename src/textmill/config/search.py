"""The section of params.yaml about the search for hyperparameters."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from textmill.config.base import Count, Positive, Section
from textmill.config.dimensions import Space, Values

Metric = Literal["quality", "loss", "latency_ms", "size_mb"]
UNTRAINED = ("latency_ms", "size_mb")  # those that training does not change
FEWEST_COMPARED = 3  # trainings of a trial, the last of which the Wilcoxon test can spare
CONSTRAINT = re.compile(rf"({'|'.join(get_args(Metric))}) *(<=|>=) *([0-9]+(?:\.[0-9]+)?)")


def _check_constraint(text: str) -> str:
    if not CONSTRAINT.fullmatch(text):
        raise ValueError(
            f"a constraint is METRIC <= NUMBER or METRIC >= NUMBER, such as latency_ms <= 5, with one of "
            f"{', '.join(get_args(Metric))}"
        )
    return text


class Spaces(Section):
    """A search space for each family; the baseline has none."""

    transformer: Space = Field(
        description="Searched keys, each with type float, int or categorical: learning_rate, weight_decay, "
        "warmup_fraction and dropout, and any key of training, of the family's block (model.transformer.pooling) and "
        "tokenize.max_length, nested or with dots."
    )
    lstm: Space = Field(description="As above.")
    text_cnn: Space = Field(description="As above.")
    bag_of_embeddings: Space = Field(description="As above.")
    baseline: Annotated[Space, Field(max_length=0)] = Field(description="Nothing: it is not searched.")


class Repeats(Section):
    """Trainings of one trial, whose mean counts."""

    over: Literal["none", "seeds", "folds"] = Field(
        description="What differs between the trainings of a trial: nothing (one training), the seed, or the fold of "
        "the train split that is held out (split.num_folds)."
    )
    number: Count = Field(description="Trainings of a trial; 1 for none.")

    @model_validator(mode="after")
    def _number_fits(self) -> "Repeats":
        if (self.over == "none") != (self.number == 1):
            raise ValueError(
                f"over: {self.over} does not go with number: {self.number}: none is 1, others are 2 or more"
            )
        return self


class Choice(Section):
    """Which trial of the Pareto front is taken, where there are several objectives."""

    prefer: Metric = Field(description="The objective that decides among trials of nearly the same first objective.")
    tolerance: Annotated[float, Field(ge=0)] = Field(
        description="How far the first objective may lie from its best value among the trials."
    )


class Tune(Section):
    num_trials: int = Field(
        ge=0, description="Finished trials wanted, pruned ones included, over all workers; 0 takes the defaults."
    )
    timeout_minutes: Positive | None = Field(description="After this, no trial goes on; null sets no limit.")
    max_failures: Count = Field(description="Trials that may end with an error before the search stops.")
    epochs: Count = Field(description="Epochs of a trial.")
    train_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the train split that a trial learns from."
    )
    reports_per_epoch: Count = Field(description="How often a trial is scored on validation, and may be pruned.")
    repeats: Repeats
    sampler: Literal["tpe", "gp", "cmaes", "random", "brute_force"] = Field(
        description="What proposes values: tree-structured Parzen estimator, Gaussian process, CMA-ES, chance, or "
        "every value of a finite space once."
    )
    pruner: Literal["median", "successive_halving", "hyperband", "wilcoxon", "none"] = Field(
        description="What stops a trial that lags behind; wilcoxon is for three or more repeats, and none for several "
        "objectives and for those that training does not change."
    )
    objectives: Annotated[list[Metric], Field(min_length=1)] = Field(
        description="What is searched for: quality (the task's score on validation), loss, latency_ms, size_mb. "
        "Several of them make a Pareto front, without pruning."
    )
    choice: Choice
    constraints: list[Annotated[str, AfterValidator(_check_constraint)]] = Field(
        description='Limits, such as "latency_ms <= 5", that the chosen trial keeps.'
    )
    storage: str | None = Field(
        description="Where the study is: null for optuna.db here, or sqlite:///FILE, journal:///FILE, "
        "postgresql://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE, grpc://HOST:PORT. TEXTMILL_STUDY_STORAGE, which "
        "may hold a password, goes before it."
    )
    workers: Count = Field(description="Processes that run trials here, each with its share of the processors.")
    grace_seconds: Positive = Field(
        description="Silence after which a worker on another machine counts as dead, and its trial is run again."
    )
    space: Spaces
    fixed: Values = Field(
        description="Keys that could be searched, pinned to one value; this goes before params.yaml's own."
    )

    @model_validator(mode="after")
    def _objectives_go_together(self) -> "Tune":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives ({', '.join(self.objectives)}) names one twice")
        if len(self.objectives) > 1 and self.choice.prefer not in self.objectives:
            raise ValueError(f"choice.prefer ({self.choice.prefer}) must be one of objectives")
        if self.sampler == "cmaes" and len(self.objectives) > 1:
            raise ValueError("sampler cmaes is for one objective: set another sampler, or search under constraints")
        if self.sampler == "cmaes" and self.constraints:
            raise ValueError(
                f"sampler cmaes does not see constraints ({', '.join(self.constraints)}), and would go on to propose "
                "what breaks them: set another sampler, such as tpe, or constraints to []"
            )
        return self

    @model_validator(mode="after")
    def _pruner_can_stop_trials(self) -> "Tune":
        if self.pruner == "none":
            return self
        repeated = self.repeats.over != "none"
        if len(self.objectives) > 1:
            raise ValueError(
                f"pruner is {self.pruner}, but with several objectives ({', '.join(self.objectives)}) no trial can be "
                "pruned: set it to none, or search one objective under constraints"
            )
        if self.objectives[0] in UNTRAINED:
            raise ValueError(
                f"pruner is {self.pruner}, but {self.objectives[0]} does not change while a trial trains, so that no "
                "trial can be pruned: set it to none"
            )
        if self.pruner == "wilcoxon" and not repeated:
            raise ValueError("pruner wilcoxon compares the trainings of a trial: set repeats to several seeds or folds")
        if self.pruner == "wilcoxon" and self.repeats.number < FEWEST_COMPARED:
            raise ValueError(
                f"pruner wilcoxon cannot stop a trial of {self.repeats.number} trainings, for one alone tells it "
                f"nothing: set repeats.number to {FEWEST_COMPARED} or more, or pruner to none"
            )
        if repeated and self.pruner != "wilcoxon":
            raise ValueError(f"pruner {self.pruner} is for one training a trial; with repeats set wilcoxon or none")
        return self
