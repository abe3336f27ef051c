"""The sections of params.yaml about compression."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from textmill.config.base import Count, Fraction, Name, Positive, Section


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
        for reserved in ("pretrained", "trained", "baseline", "search"):
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
