"""The section of params.yaml about the data contract."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from textmill.config.base import Count, Section

Level = Literal["error", "warn"]
_LEVEL = "error stops the pipeline, warn is shown in the report."


class AtLeast(Section):
    min: Annotated[float, Field(ge=0)] | None = Field(description="Smallest allowed value; null does not check.")
    level: Level = Field(description=_LEVEL)


class AtMost(Section):
    max: Annotated[float, Field(ge=0)] | None = Field(description="Largest allowed value; null does not check.")
    level: Level = Field(description=_LEVEL)


class AtMostShare(AtMost):
    max: Annotated[float, Field(ge=0, le=1)] | None = Field(description="Largest allowed share; null does not check.")


class Between(Section):
    min: Annotated[float, Field(ge=0)] | None = Field(description="Smallest allowed value; null does not check.")
    max: Annotated[float, Field(ge=0)] | None = Field(description="Largest allowed value; null does not check.")
    level: Level = Field(description=_LEVEL)

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "Between":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) must not exceed max ({self.max:g})")
        return self


class Labels(Section):
    allowed: list[str] | None = Field(description="The labels there may be after cleaning; null does not check.")
    level: Level = Field(description=_LEVEL)


class Contract(Section):
    sample_documents: Count = Field(
        description="Texts that shortcuts, scripts and personal data are looked for in: the first by a hash of the id."
    )
    phone_region: str | None = Field(
        pattern=r"^[A-Z]{2}$", description="Country of telephone numbers without a prefix, such as US; null: none."
    )
    documents: Between = Field(description="Documents after cleaning.")
    documents_per_class: AtLeast = Field(description="Documents of each class after cleaning.")
    documents_per_class_and_split: AtLeast = Field(description="Documents of each class in each split.")
    classes: Between = Field(description="Classes; a larger number is a wrong label column.")
    labels: Labels
    missing_share: AtMostShare = Field(description="Share of rows without a text or a label, as found.")
    duplicate_share: AtMostShare = Field(description="Share of rows that are exact or near duplicates.")
    quarantine_share: AtMostShare = Field(description="Share of rows in quarantine, for whatever reason.")
    characters: Between = Field(description="Median length of the documents, in characters.")
    split_drift: AtMostShare = Field(
        description="Largest difference of a class's share between any split and all documents."
    )
    reference_drift: AtMostShare = Field(
        description="Largest difference of a class's share from contract.lock.yaml; a new or lost class counts as 1."
    )
    leakage: AtMost = Field(description="Documents whose text, near duplicate or group lies in another split too.")
    token_shortcut: AtMostShare = Field(
        description="Matthews correlation of a class with the presence of one word, the highest there is."
    )
    prefix_shortcut: AtMostShare = Field(
        description="Matthews correlation of a class with the first or last words of a text, the highest there is."
    )
    main_script_share: AtLeast = Field(description="Share of the documents that are mostly in the commonest script.")
    email_share: AtMostShare = Field(description="Share of the documents with an e-mail address.")
    phone_share: AtMostShare = Field(description="Share of the documents with a telephone number.")
