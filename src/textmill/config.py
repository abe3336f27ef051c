"""The schema of params.yaml, and the one function that reads it.

Every knob is written in params.yaml: the models below have no defaults, so that
`dvc params diff` sees all of them, and an unknown or misspelt key is an error.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from textmill.errors import UserError

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]

# What the pipeline writes: nothing of it can be watched for changes of the input.
OUTPUTS = (
    *(f"data/{name}" for name in ("raw", "clean", "splits", "tokens", "validation", "audit", "out_of_fold.parquet")),
    "models",
    "reports",
)
# Lowest and highest value of each searched key.
LIMITS = {
    "learning_rate": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "warmup_fraction": (0.0, 1.0),
    "dropout": (0.0, 0.9),
}


class InvalidParams(UserError):
    """params.yaml is missing, is not YAML, or does not fit the schema."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(Section):
    source: str = Field(
        min_length=1,
        description="Where the labelled texts are: a file, a folder with a folder per class, or "
        "package://DISTRIBUTION@VERSION/PATH for files of an installed distribution.",
    )
    watch: str = Field(
        min_length=1,
        description="The local path whose content makes ingest run again; a local source and local weights lie in it, "
        "and nothing that the pipeline writes.",
    )
    where: str | None = Field(
        description="A pandas query over the source's columns that picks the rows to use; null takes all. It sees "
        "some thousand rows at a time, so that mean, quantile or duplicated are not those of the whole; `index` "
        "is the number of the row, from 0."
    )
    text: str = Field(description="The column with the text; a folder per class has `text`.")
    label: str = Field(description="The column with the label; a folder per class has `label`.")


class Clean(Section):
    labels: dict[str, str] | None = Field(
        description="Label as found: label to use. Several may share one (aliases); a label that is not "
        "listed goes to quarantine. null takes labels as they are."
    )
    repair_unicode: bool = Field(description="Mend mojibake and broken Unicode (ftfy), normalise to NFC.")
    html_to_text: bool = Field(description="Drop HTML tags and decode entities.")
    collapse_whitespace: bool = Field(description="Make any run of white space one space, and trim.")
    min_characters: Count = Field(description="Shorter cleaned texts go to quarantine, in characters.")
    max_characters: Count = Field(description="Longer cleaned texts go to quarantine, in characters.")

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, labels: Any) -> Any:
        if not isinstance(labels, dict):
            return labels
        texts = {_as_label(key, key): _as_label(key, value) for key, value in labels.items()}
        if len(texts) < len(labels):
            raise ValueError(f"a label is listed twice, once in quotes: {', '.join(map(repr, labels))}")
        return texts

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "Clean":
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters ({self.min_characters}) must not exceed max_characters ({self.max_characters})"
            )
        return self


def _as_label(key: Any, value: Any) -> str:
    """A key or value of `labels` as text: YAML reads `0: negative` as an integer, `True: yes` as a truth value."""
    if not isinstance(value, (str, int, float)) or not str(value).strip():
        raise ValueError(f"the entry of {key!r} holds {value!r}, but a label is a text, a number or true or false")
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


class Split(Section):
    train: Share = Field(description="Share of the documents to learn from.")
    validation: Share = Field(description="Share that decides trials, epochs, temperature and selection.")
    test: Share = Field(description="Share that decides nothing before the gate.")

    @model_validator(mode="after")
    def _shares_add_up(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class Contract(Section):
    min_documents: Count = Field(description="Fewest documents after cleaning.")
    min_documents_per_class: Count = Field(description="Fewest documents of each class after cleaning.")
    max_classes: Count = Field(description="Most classes; a larger number is a wrong label column.")
    max_quarantine_share: Fraction = Field(description="Largest share of rows in quarantine.")
    max_label_drift: Fraction = Field(
        description="Largest difference of a class's share between any split and all documents."
    )


class Tokenize(Section):
    max_length: int = Field(ge=8, le=8192, description="Tokens kept of a document, special tokens included.")


class Transformer(Section):
    weights: str = Field(
        min_length=1,
        description="Folder with pretrained weights and tokenizer: a path, package://DISTRIBUTION@VERSION/PATH "
        "or hf://OWNER/NAME@REVISION.",
    )
    pooling: Literal["mean", "cls"] = Field(description="How token vectors become one document vector.")


class Model(Section):
    family: Literal["transformer"] = Field(description="The architecture; its block below is the active one.")
    transformer: Transformer


class Baseline(Section):
    max_ngram: int = Field(ge=1, le=5, description="Longest word n-gram.")
    max_features: Count = Field(description="Most n-grams kept, the most frequent ones first.")
    regularisation: Positive = Field(description="Inverse strength C of the logistic regression.")
    num_folds: int = Field(ge=2, le=20, description="Folds of the out-of-fold probabilities for the label audit.")


class Training(Section):
    batch_size: Count = Field(description="Documents per optimizer step.")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        description="Arithmetic of training; auto takes bf16-mixed where the hardware has it."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(description="Decay after warm-up.")
    gradient_clip: Positive = Field(description="Largest gradient norm.")


class FloatDimension(Section):
    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    log: bool = Field(description="Search on a logarithmic scale.")
    default: float = Field(description="Tried first.")

    @model_validator(mode="after")
    def _default_is_inside(self) -> "FloatDimension":
        if not self.low <= self.default <= self.high:
            raise ValueError(f"default ({self.default:g}) must lie between low ({self.low:g}) and high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be above 0 on a logarithmic scale")
        return self


class Space(Section):
    learning_rate: FloatDimension
    weight_decay: FloatDimension
    warmup_fraction: FloatDimension
    dropout: FloatDimension

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "Space":
        for name, (low, high) in LIMITS.items():
            dimension = getattr(self, name)
            if dimension.low < low or dimension.high > high:
                raise ValueError(
                    f"{name}: low ({dimension.low:g}) and high ({dimension.high:g}) must lie in [{low:g}, {high:g}]"
                )
        return self


class Tune(Section):
    num_trials: int = Field(ge=0, description="Finished trials wanted, pruned ones included; 0 takes the defaults.")
    epochs: Count = Field(description="Epochs of a trial.")
    train_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the train split that a trial learns from."
    )
    reports_per_epoch: Count = Field(description="How often a trial is scored on validation, and may be pruned.")
    pruner: Literal["median", "none"] = Field(description="What stops a trial that lags behind.")
    space: Space
    fixed: dict[Literal["learning_rate", "weight_decay", "warmup_fraction", "dropout"], float] = Field(
        description="Searched keys that are pinned to one value instead."
    )

    @field_validator("fixed")
    @classmethod
    def _fixed_values_make_sense(cls, fixed: dict[str, float]) -> dict[str, float]:
        for name, value in fixed.items():
            low, high = LIMITS[name]
            if not low <= value <= high:
                raise ValueError(f"{name} ({value:g}) must lie in [{low:g}, {high:g}]")
        return fixed


class Train(Section):
    epochs: Count = Field(description="Most epochs.")
    patience: Count = Field(description="Epochs without a better validation macro-F1 before stopping.")


class QuantizeStep(Section):
    method: Literal["quantize"]
    per_channel: bool = Field(description="One scale per output channel instead of one per matrix.")


class PruneStep(Section):
    method: Literal["prune"]
    heads: Annotated[float, Field(ge=0, lt=1)] = Field(description="Share of attention heads to remove.")
    feed_forward: Annotated[float, Field(ge=0, lt=1)] = Field(description="Share of feed-forward units to remove.")
    epochs: Count = Field(description="Epochs of recovery training.")
    learning_rate: Positive = Field(description="Peak learning rate of recovery training.")


class DistillStep(Section):
    method: Literal["distill"]
    num_layers: Count = Field(description="Layers of the student, taken evenly from the teacher.")
    temperature: Positive = Field(description="Softens both distributions.")
    soft_weight: Fraction = Field(description="Weight of the teacher's distribution; the rest is the labels'.")
    epochs: Count = Field(description="Epochs of the student.")
    learning_rate: Positive = Field(description="Peak learning rate of the student.")


Step = Annotated[QuantizeStep | PruneStep | DistillStep, Field(discriminator="method")]


class Recipe(Section):
    # `from` is a Python keyword, so the field carries another name.
    parent: str = Field(alias="from", description="The model it starts from: trained, or another recipe.")
    steps: list[Step] = Field(description="Methods with their settings, in order; none only exports.")


class Compress(Section):
    recipes: dict[Name, Recipe]

    @model_validator(mode="after")
    def _parents_exist(self) -> "Compress":
        for reserved in ("trained", "baseline", "search"):
            if reserved in self.recipes:
                raise ValueError(f"recipes.{reserved}: this name is taken by the pipeline, choose another")
        if "full" not in self.recipes or self.recipes["full"] != Recipe(**{"from": "trained", "steps": []}):
            raise ValueError("recipes.full must be {from: trained, steps: []}: every variant is compared with it")
        for name, recipe in self.recipes.items():
            seen = [name]
            while recipe.parent != "trained":
                if recipe.parent not in self.recipes:
                    allowed = ", ".join(["trained", *self.recipes])
                    raise ValueError(f"recipes.{seen[-1]}.from: {recipe.parent!r} is not a model; allowed: {allowed}")
                if recipe.parent in seen:
                    raise ValueError(f"recipes.{name}.from: {' -> '.join([*seen, recipe.parent])} is a circle")
                seen.append(recipe.parent)
                recipe = self.recipes[recipe.parent]
        self._check_torch_weights()
        return self

    def _check_torch_weights(self) -> None:
        """A quantized model has no PyTorch weights, so nothing can follow it, and nothing start from it."""
        for name, recipe in self.recipes.items():
            methods = [step.method for step in recipe.steps]
            if "quantize" in methods[:-1]:
                raise ValueError(f"recipes.{name}: quantize must be the last step, found {' -> '.join(methods)}")
            parent = self.recipes.get(recipe.parent)
            if parent and any(step.method == "quantize" for step in parent.steps):
                raise ValueError(f"recipes.{name}.from: {recipe.parent} is quantized, and nothing can start from that")


class Evaluate(Section):
    num_resamples: Annotated[int, Field(ge=100)] = Field(description="Bootstrap resamples of every interval.")
    confidence: Share = Field(description="Confidence level of every interval.")
    calibration_bins: Annotated[int, Field(ge=2, le=100)] = Field(description="Equal-width bins of the ECE.")
    latency_documents: Annotated[int, Field(ge=10)] = Field(description="Documents timed one at a time.")
    latency_threads: Count = Field(description="CPU threads of the runtime while it is timed.")
    throughput_batch: Count = Field(description="Batch size of the throughput figure.")


class Budget(Section):
    max_size_mb: Positive | None = Field(description="Largest bundle, in MB (1e6 bytes); null sets no limit.")
    max_latency_ms: Positive | None = Field(description="Largest median latency at batch 1; null sets no limit.")
    max_drop: Fraction | None = Field(description="Most validation macro-F1 lost against full; null sets no limit.")


class Select(Section):
    budget: Budget
    prefer: Literal["macro_f1", "latency_ms", "size_mb"] = Field(
        description="What decides among the variants within the budget."
    )
    allow_baseline: bool = Field(description="Whether the TF-IDF baseline may be chosen.")


class Register(Section):
    auto_promote: Literal["never", "first", "gate"] = Field(
        description="Who becomes champion without being asked: nobody, the first version, or all that pass the gate."
    )


class Gate(Section):
    min_macro_f1: Fraction = Field(description="Quality floor on the test split.")
    margin: Share = Field(description="Largest tolerated loss of macro-F1 against the champion.")
    confidence: Share = Field(description="One-sided confidence level of the non-inferiority test.")
    num_resamples: Annotated[int, Field(ge=100)] = Field(description="Paired bootstrap resamples.")


class Report(Section):
    include_texts: bool = Field(description="Whether texts may appear in the report and in the model's input example.")


class Params(Section):
    project: Name = Field(description="Name of the MLflow experiment and of the registered model.")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(description="The one seed of every random choice.")
    data: Data
    clean: Clean
    split: Split
    contract: Contract
    tokenize: Tokenize
    model: Model
    baseline: Baseline
    training: Training
    tune: Tune
    train: Train
    compress: Compress
    evaluate: Evaluate
    select: Select
    register_: Register = Field(alias="register")
    gate: Gate
    report: Report

    @property
    def weights(self) -> str:
        """Where the pretrained weights of the active family are."""
        return str(getattr(self.model, self.model.family).weights)

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
        for key, uri in (("data.source", self.data.source), (f"model.{self.model.family}.weights", self.weights)):
            path = Path(uri).resolve()
            if "://" not in uri and path != watch and watch not in path.parents:
                raise ValueError(
                    f"data.watch ({self.data.watch}) must be {key} ({uri}) or a folder that holds it, else a change "
                    "of it would go unseen"
                )
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate params.yaml (YAML 1.2).

    Raises:
        InvalidParams: the file is missing, is not YAML, or a key is unknown, missing or out of range;
            all faults are told at once.
    """
    from ruamel.yaml import YAML, YAMLError

    try:
        values = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InvalidParams(f"{path} is not here. Run from the repository root, where it lies.") from None
    except YAMLError as error:
        raise InvalidParams(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise InvalidParams(f"{path} must hold a mapping of sections, found {type(values).__name__}.")
    try:
        return Params(**values)
    except ValidationError as error:
        raise InvalidParams(_explain(path, error)) from None


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"{path} has {error.error_count()} mistake(s):"]
    for fault in error.errors():
        place = fault["loc"]
        key = ".".join(_written(place)) or "(whole file)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: no such key; allowed here: {', '.join(_allowed_keys(place[:-1]))}")
        elif fault["type"] == "missing":
            lines.append(f"  {key}: this key is missing; every knob must be written")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            shown = "" if isinstance(fault["input"], (dict, Section)) else f", found {fault['input']!r}"
            lines.append(f"  {key}: {message}{shown}")
    lines.append("See the comments in params.yaml and docs/params.md; `git diff params.yaml` shows what changed.")
    return "\n".join(lines)


def _written(place: Sequence[int | str]) -> Iterator[str]:
    """The keys as the user wrote them: pydantic puts the name of a step's method after its place in the list."""
    for before, key in zip([None, *place], place, strict=False):
        if isinstance(before, int) and key in ("quantize", "prune", "distill"):
            continue
        yield str(key)


def _allowed_keys(place: Sequence[int | str]) -> list[str]:
    schema = Params.model_json_schema(by_alias=True)
    node: dict[str, Any] = schema
    for key in place:
        if "discriminator" in node:  # `key` is a step's method
            node = {"$ref": node["discriminator"]["mapping"][key]}
        elif "patternProperties" in node:  # `key` is a recipe's name
            (node,) = node["patternProperties"].values()
        else:
            node = node["items"] if "items" in node else node["properties"][key]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return sorted(node["properties"])
