"""The whole of params.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from textmill.config.base import Name, Section
from textmill.config.checks import check_task
from textmill.config.compression import Compress
from textmill.config.contract import Contract
from textmill.config.data import Clean, Data, Split, Tokenize
from textmill.config.evaluation import Diagnose, Evaluate
from textmill.config.judging import Gate, Register, Report, Select
from textmill.config.models import Model
from textmill.config.search import Tune
from textmill.config.searched import check_searched
from textmill.config.training import CrossValidate, Pretrain, Train, Training
from textmill.tasks import Task

# What the pipeline writes: nothing of it can be watched for changes of the input.
OUTPUTS = (
    *(f"data/{name}" for name in ("raw", "clean", "splits", "tokens", "validation", "audit", "out_of_fold.parquet")),
    "models",
    "reports",
)


class Params(Section):
    project: Name = Field(description="Name of the MLflow experiment and of the registered model.")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(description="The one seed of every random choice.")
    task: Task = Field(
        description="One label a document, any number of them (data.label_separator), or a number (regression)."
    )
    data: Data
    clean: Clean
    split: Split
    contract: Contract
    tokenize: Tokenize
    model: Model
    pretrain: Pretrain
    training: Training
    tune: Tune
    train: Train
    crossvalidate: CrossValidate
    compress: Compress
    evaluate: Evaluate
    select: Select
    register_: Register = Field(alias="register")
    gate: Gate
    diagnose: Diagnose
    report: Report

    @property
    def family_settings(self) -> Section:
        """The block of the active family."""
        settings: Section = getattr(self.model, self.model.family)
        return settings

    @model_validator(mode="after")
    def _local_files_are_watched(self) -> "Params":
        watch = Path(self.data.watch).resolve()
        for output in OUTPUTS:
            path = Path(output).resolve()
            if watch == path or watch in path.parents or path in watch.parents:
                raise ValueError(
                    f"data.watch ({self.data.watch}) must not be or hold what the pipeline itself writes ({output}), "
                    "nor lie in it; data/inputs is a good place"
                )
        for key, uri in self._named_files():
            path = Path(uri).resolve()
            if "://" not in uri and path != watch and watch not in path.parents:
                raise ValueError(
                    f"data.watch ({self.data.watch}) must be {key} ({uri}) or a folder that holds it, else a change "
                    "of it would go unseen"
                )
        return self

    def _named_files(self) -> Iterator[tuple[str, str]]:
        for split, uri in self.data.sources.items():
            yield f"data.source.{split}" if split else "data.source", uri
        if self.data.label_corrections is not None:
            yield "data.label_corrections", self.data.label_corrections
        if self.pretrain.source is not None:
            yield "pretrain.source", self.pretrain.source
        if self.evaluate.shift.source is not None:
            yield "evaluate.shift.source", self.evaluate.shift.source
        yield "model.weights", self.model.weights

    @model_validator(mode="after")
    def _sections_agree(self) -> "Params":
        self.check_agreement()
        return self

    def check_agreement(self) -> None:
        """Raises: ValueError: model.family or task does not go with what training asks for."""
        self._check_family()
        self._check_task()

    def _check_family(self) -> None:
        asked = {
            "pretrain.objective": self.pretrain.objective != "none",
            "training.lora": self.training.lora is not None,
            "training.packing": self.training.packing,
        }
        for key, is_on in asked.items():
            if is_on and self.model.family != "transformer":
                raise ValueError(
                    f"{key} is on, and model.family is {self.model.family}: this is for transformers. Set {key} to "
                    f"{'none' if key == 'pretrain.objective' else 'null' if key == 'training.lora' else 'false'}, or "
                    "model.family to transformer"
                )
        if self.training.augmentation.replace and self.pretrain.objective != "mlm":
            raise ValueError(
                "training.augmentation.replace needs a masked language model of your text: set pretrain.objective to "
                f"mlm (it is {self.pretrain.objective}), or replace to 0"
            )

    def _check_task(self) -> None:
        check_task(self.evaluate.checks, self.task)
        loss = self.training.loss
        if self.task == "regression":
            if self.clean.labels is not None:
                raise ValueError("clean.labels maps labels to labels; with task: regression it must be null")
            if self.clean.rare_labels.min_documents > 1:
                raise ValueError("clean.rare_labels is about labels; with task: regression min_documents must be 1")
            if loss.class_weights != "none" or loss.label_smoothing or loss.focal_gamma:
                raise ValueError(
                    "training.loss is for labels; with task: regression set class_weights to none, and "
                    "label_smoothing and focal_gamma to 0"
                )

    @model_validator(mode="after")
    def _searched_keys_make_sense(self) -> "Params":
        check_searched(self)
        repeats = self.tune.repeats
        if repeats.over == "folds" and repeats.number > self.split.num_folds:
            raise ValueError(
                f"tune.repeats.number is {repeats.number}, but there are {self.split.num_folds} folds "
                "(split.num_folds), and each is held out once: lower the one or raise the other"
            )
        return self

    @model_validator(mode="after")
    def _sensitive_columns_are_kept(self) -> "Params":
        for column in self.evaluate.slices.sensitive:
            if column not in self.data.slices:
                raise ValueError(
                    f"evaluate.slices.sensitive names {column!r}, which is no column of data.slices "
                    f"({', '.join(map(str, self.data.slices)) or 'empty'}): only those are kept"
                )
        return self

    @model_validator(mode="after")
    def _time_is_named(self) -> "Params":
        if self.split.method == "time" and self.data.time is None:
            raise ValueError("split.method is time, so data.time must name the column to go by; it is null")
        return self
