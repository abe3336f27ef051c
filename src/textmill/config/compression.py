"""The sections of params.yaml about compression."""

from pydantic import Field, model_validator

from textmill.config.base import Name, Section
from textmill.config.compression_search import CompressionSearch
from textmill.config.steps import Step

# Methods that work on ONNX, in the order in which they may follow each other: behind them no PyTorch is left.
ON_ONNX = ("quantize", "engine")


class Recipe(Section):
    # `from` is a Python keyword, so the field carries another name.
    parent: str = Field(alias="from", description="The model it starts from: trained, or another recipe.")
    steps: list[Step] = Field(description="Methods with their settings, in order; none only exports.")


class Compress(Section):
    recipes: dict[Name, Recipe]
    search: CompressionSearch

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
        """A model that went through ONNX has no PyTorch weights: only a later one of these methods can follow it."""
        for name, recipe in self.recipes.items():
            methods = [*self._behind_onnx(recipe), *(step.method for step in recipe.steps)]
            found = [method for method in methods if method in ON_ONNX]
            if methods[len(methods) - len(found) :] != found or sorted(set(found), key=ON_ONNX.index) != found:
                raise ValueError(
                    f"recipes.{name}: {' -> '.join(methods)} cannot be done; "
                    f"{', then '.join(ON_ONNX)} must be the last, each at most once, counting those of "
                    f"{recipe.parent}"
                )

    def _behind_onnx(self, recipe: Recipe) -> list[str]:
        """The methods on ONNX that the parent of a recipe went through."""
        if recipe.parent == "trained":
            return []
        parent = self.recipes[recipe.parent]
        own = [step.method for step in parent.steps if step.method in ON_ONNX]
        return [*self._behind_onnx(parent), *own]

    @model_validator(mode="after")
    def _searched_recipes_can_be_made(self) -> "Compress":
        space = self.search.space
        for names in space.recipes:
            searched = Recipe(**{"from": "full", "steps": space.first_steps(names)})
            try:
                alone = {"full": self.recipes["full"], "searched": searched}
                self.model_copy(update={"recipes": alone})._check_torch_weights()
            except ValueError as error:
                raise ValueError(f"search.space.recipes: {' -> '.join(names)}: {error}") from None
        return self
