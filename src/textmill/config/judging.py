"""The sections of params.yaml about evaluation, the choice, the registry and the report."""

from typing import Annotated, Literal

from pydantic import Field

from textmill.config.base import Count, Fraction, Positive, Section, Share


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
    max_drop: Fraction | None = Field(
        description="Most macro-F1 (R², for regression) on validation lost against full; null sets no limit."
    )


class Select(Section):
    budget: Budget
    prefer: Literal["quality", "latency_ms", "size_mb"] = Field(
        description="What decides among the variants within the budget."
    )
    allow_baseline: bool = Field(description="Whether the TF-IDF baseline may be chosen.")


class Register(Section):
    auto_promote: Literal["never", "first", "gate"] = Field(
        description="Who becomes champion without being asked: nobody, the first version, or all that pass the gate."
    )


class Gate(Section):
    min_quality: Fraction = Field(description="Floor of macro-F1 (of R², for regression) on the test split.")
    margin: Share = Field(description="Largest tolerated loss of macro-F1 (of R²) against the champion.")
    confidence: Share = Field(description="One-sided confidence level of the non-inferiority test.")
    num_resamples: Annotated[int, Field(ge=100)] = Field(description="Paired bootstrap resamples.")


class Report(Section):
    include_texts: bool = Field(description="Whether texts may appear in the report and in the model's input example.")
