"""The sections of params.yaml about the choice, the registry and the report."""

from typing import Annotated, Literal

from pydantic import Field

from textmill.config.base import Fraction, Positive, Section, Share


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
