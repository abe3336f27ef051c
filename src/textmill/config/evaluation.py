"""The sections of params.yaml about the figures of a model, and what is told of its mistakes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from textmill.config.base import Count, Positive, Section, Share
from textmill.config.checks import Checks
from textmill.config.data import Column

Perturbation = Literal[
    "typos", "casing", "punctuation", "whitespace", "truncation", "word_order", "homoglyphs", "negation"
]


def _name_each_once(values: list[Any]) -> list[Any]:
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"each must stand here once, {', '.join(map(str, twice))} does twice")
    return values


Once = AfterValidator(_name_each_once)


class Slices(Section):
    min_documents: Annotated[int, Field(ge=5)] = Field(description="Test documents that a slice needs to be judged.")
    length_bins: Annotated[int, Field(ge=2, le=20)] = Field(description="Slices of equally many documents by length.")
    most_weak: Annotated[int, Field(ge=0, le=100)] = Field(
        description="Weak slices shown of those that are searched for among words, lengths and columns; 0: no search."
    )
    sensitive: list[Column] = Field(description="Columns of data.slices whose groups the fairness figures compare.")


class Robustness(Section):
    documents: Annotated[int, Field(ge=0)] = Field(description="Test documents that are spoilt; 0 leaves this out.")
    perturbations: Annotated[list[Perturbation], Once] = Field(description="What is done to them, one at a time.")


class Shift(Section):
    source: str | None = Field(
        description="Texts of another domain, a line each: a file, or package://; null: documentation of Python."
    )
    documents: Annotated[int, Field(ge=0)] = Field(description="Texts of each side; 0 leaves this out.")


class Evaluate(Section):
    num_resamples: Annotated[int, Field(ge=100)] = Field(description="Bootstrap resamples of every interval.")
    confidence: Share = Field(description="Confidence level of every interval.")
    top_k: Annotated[int, Field(ge=2)] = Field(description="Labels among which the true one must be, for top-k.")
    calibration_bins: Annotated[int, Field(ge=2, le=100)] = Field(description="Bins of the calibration error.")
    max_risk: Share = Field(
        description="Largest share of wrong answers among those given; sets the rejection threshold, on validation."
    )
    coverage: Share = Field(description="Share of documents whose prediction set shall hold the true label.")
    slices: Slices
    robustness: Robustness
    checks: Checks = Field(description="How the model must behave, in the spirit of CheckList; see docs/evaluation.md.")
    shift: Shift
    latency_documents: Annotated[int, Field(ge=10)] = Field(description="Documents timed one at a time.")
    latency_threads: Count = Field(description="CPU threads of the runtime while it is timed.")
    throughput_batch: Count = Field(description="Batch size of the throughput figure.")
    batch_sizes: Annotated[list[Count], Field(min_length=1), Once] = Field(description="Of the throughput curve.")
    startup_processes: Annotated[int, Field(ge=0)] = Field(
        description="Fresh processes that tell start-up time and memory, by their median; 0 leaves this out."
    )


class Diagnose(Section):
    documents: Annotated[int, Field(ge=0)] = Field(description="Mistakes explained word by word; 0: none.")
    neighbours: Annotated[int, Field(ge=0)] = Field(description="Nearest train documents shown beside a mistake.")
    words_per_class: Annotated[int, Field(ge=0)] = Field(description="Words shown that speak most for each label.")
    max_seconds: Positive = Field(description="Time for explanations; what is not done by then is left out and said.")
