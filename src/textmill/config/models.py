"""The sections of params.yaml about the families of models."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from textmill.config.base import Count, Positive, Section

Embeddings = Literal["own", "pretrained"]
_EMBEDDINGS = "Embeddings of their own (Xavier initialisation), or those of model.weights."
_SIZE = "Width of embeddings of their own; pretrained ones bring theirs."


class Transformer(Section):
    pooling: Literal["mean", "cls", "last"] = Field(description="How token vectors become one document vector.")
    config: dict[str, Any] | None = Field(
        description="null loads model.weights; a config of transformers, such as {model_type: gpt2, n_embd: 128, "
        "n_layer: 4, n_head: 4}, builds an untrained model of that shape, and only the tokenizer comes from "
        "model.weights. Vocabulary and special tokens are filled in."
    )


class Lstm(Section):
    embeddings: Embeddings = Field(description=_EMBEDDINGS)
    embedding_size: Count = Field(description=_SIZE)
    hidden_size: Count = Field(description="Units of each direction of a layer.")
    num_layers: Count = Field(description="Bidirectional layers on top of each other.")


class TextCnn(Section):
    embeddings: Embeddings = Field(description=_EMBEDDINGS)
    embedding_size: Count = Field(description=_SIZE)
    widths: Annotated[list[Count], Field(min_length=1)] = Field(description="Tokens that the filters look at.")
    num_filters: Count = Field(description="Filters of each width.")


class BagOfEmbeddings(Section):
    embeddings: Embeddings = Field(description=_EMBEDDINGS)
    embedding_size: Count = Field(description=_SIZE)


class Baseline(Section):
    max_ngram: int = Field(ge=1, le=5, description="Longest word n-gram.")
    max_features: Count = Field(description="Most word n-grams kept, the most frequent ones first.")
    character_ngrams: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = Field(
        description="Shortest and longest character n-gram beside the words, such as [3, 5]; null takes words only."
    )
    max_character_features: Count = Field(description="Most character n-grams kept, the most frequent ones first.")
    regularisation: Positive = Field(description="Inverse strength C of the linear model.")

    @field_validator("character_ngrams")
    @classmethod
    def _lengths_are_ordered(cls, lengths: list[int] | None) -> list[int] | None:
        if lengths is not None and lengths[0] > lengths[1]:
            raise ValueError(f"the shortest n-gram ({lengths[0]}) must not be longer than the longest ({lengths[1]})")
        return lengths


class Model(Section):
    family: Literal["transformer", "lstm", "text_cnn", "bag_of_embeddings", "baseline"] = Field(
        description="The architecture; its block below is the active one. baseline trains no network."
    )
    weights: str = Field(
        min_length=1,
        description="Folder with pretrained weights and their tokenizer: a path, "
        "package://DISTRIBUTION@VERSION/PATH or hf://OWNER/NAME@REVISION. Every family reads tokens of its tokenizer.",
    )
    transformer: Transformer
    lstm: Lstm
    text_cnn: TextCnn
    bag_of_embeddings: BagOfEmbeddings
    baseline: Baseline
