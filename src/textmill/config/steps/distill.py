"""What distill is told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from textmill.config.base import Count, Fraction, Positive
from textmill.config.steps.base import StepSection, TrainingStep

_WIDTH = "; left out, it is the teacher's. With any of hidden_size, num_heads and feed_forward the student is a new "
_WIDTH += "encoder of the teacher's architecture, which starts from the teacher's embeddings alone."
_EMBEDDINGS = "Embeddings of their own (Xavier initialisation), or the teacher's."
_SIZE = (
    "Width of the embeddings. The teacher's are reduced to it by their principal components; left out, they are as "
    "wide as the teacher's."
)


class TransformerStudent(StepSection):
    family: Literal["transformer"] = Field(description="A smaller transformer, of a transformer.")
    num_layers: Count | None = Field(None, description="Layers, taken evenly from the teacher; or else layers.")
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = Field(
        None, description="The teacher's layers that it has, counted from 0, such as [1, 3, 5]; or else num_layers."
    )
    hidden_size: Count | None = Field(None, description=f"Width of the hidden states{_WIDTH}")
    num_heads: Count | None = Field(None, description=f"Attention heads of a layer{_WIDTH}")
    feed_forward: Count | None = Field(None, description=f"Feed-forward units of a layer{_WIDTH}")

    @model_validator(mode="after")
    def _layers_are_told_once(self) -> Self:
        if (self.num_layers is None) == (self.layers is None):
            raise ValueError("a transformer student has either num_layers or layers, such as num_layers: 3")
        if self.layers is not None and self.layers != sorted(set(self.layers)):
            raise ValueError(f"layers must ascend, each once, such as [1, 3, 5], and not {self.layers}")
        return self


class _SmallStudent(StepSection):
    embeddings: Literal["own", "teacher"] = Field(description=_EMBEDDINGS)
    embedding_size: Count | None = Field(None, description=_SIZE)

    @model_validator(mode="after")
    def _own_embeddings_have_a_size(self) -> Self:
        if self.embeddings == "own" and self.embedding_size is None:
            raise ValueError("embeddings: own needs an embedding_size, such as 128")
        return self


class LstmStudent(_SmallStudent):
    family: Literal["lstm"] = Field(description="As model.lstm.")
    hidden_size: Count = Field(description="Units of each direction of a layer.")
    num_layers: Count = Field(description="Bidirectional layers on top of each other.")


class TextCnnStudent(_SmallStudent):
    family: Literal["text_cnn"] = Field(description="As model.text_cnn.")
    widths: Annotated[list[Count], Field(min_length=1)] = Field(description="Tokens that the filters look at.")
    num_filters: Count = Field(description="Filters of each width.")


class BagStudent(_SmallStudent):
    family: Literal["bag_of_embeddings"] = Field(description="As model.bag_of_embeddings.")


Student = Annotated[
    TransformerStudent | LstmStudent | TextCnnStudent | BagStudent,
    Field(discriminator="family"),
]


class HiddenStates(StepSection):
    weight: Positive = Field(description="Weight of the distance between the hidden states of both, added to the loss.")
    layers: Literal["uniform", "last"] = Field(
        description="uniform: each layer of the student against the teacher's layer in its place; last: the last ones."
    )
    distance: Literal["mse", "cosine"] = Field(
        description="Mean squared error, or 1 - cosine, of each token. Where widths differ, the student's states go "
        "through a projection, which is learned and thrown away."
    )


class Relations(StepSection):
    weight: Positive = Field(
        description="Weight of the divergence of the last layers' relations among queries, keys and values (MiniLMv2), "
        "added to the loss."
    )


class Transfer(StepSection):
    source: str = Field(
        min_length=1, description="More texts, which the teacher answers: a path or package:// as for data.source."
    )
    text: str | Annotated[int, Field(ge=0)] = Field(
        description="Column with the text: its name, or its position (from 0) in a CSV or TSV without a header."
    )


class Augment(StepSection):
    copies: Count = Field(description="Changed copies of each train document, which the teacher answers as they are.")
    swap: Fraction = Field(0.0, description="Share of the words that change places with a neighbour.")
    delete: Fraction = Field(0.0, description="Share of the words that are left out.")
    typo: Fraction = Field(0.0, description="Share of the words with a typing mistake.")

    @model_validator(mode="after")
    def _something_changes(self) -> Self:
        if not any((self.swap, self.delete, self.typo)):
            raise ValueError("augment changes nothing: give swap, delete or typo a share above 0")
        return self


class DistillStep(TrainingStep):
    method: Literal["distill"]
    student: Student = Field(description="What is trained: a smaller transformer, or a model of another family.")
    temperature: Positive = Field(description="Softens both distributions.")
    soft_weight: Fraction = Field(description="Weight of the teacher's distribution; the rest is the labels'.")
    hidden_states: HiddenStates | None = Field(None, description="Left out, hidden states are not compared.")
    relations: Relations | None = Field(None, description="Left out, attention relations are not compared.")
    transfer: Transfer | None = Field(None, description="Texts without labels to learn from; left out, there are none.")
    augment: Augment | None = Field(None, description="Changed copies to learn from; left out, there are none.")

    @model_validator(mode="after")
    def _states_are_those_of_transformers(self) -> Self:
        for key in ("hidden_states", "relations"):
            if getattr(self, key) is not None and self.student.family != "transformer":
                raise ValueError(
                    f"{key} compares a transformer with its teacher, and a student of family {self.student.family} has "
                    f"none of them. Leave {key} out, or set student.family to transformer"
                )
        if (self.transfer or self.augment) and self.soft_weight == 0:
            raise ValueError(
                "transfer and augment are learned from by the teacher's answers alone: set soft_weight above 0"
            )
        return self
