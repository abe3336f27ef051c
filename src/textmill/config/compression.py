"""The sections of params.yaml about compression."""

from pydantic import Field, model_validator

from textmill.config.base import Name, Section
from textmill.config.compression_search import CompressionSearch
from textmill.config.steps import Step

# Methods that work on ONNX, in the order in which they may follow each other: behind them no PyTorch is left.
ON_ONNX = ("quantize", "engine")
# Methods that change weights, and those whose work is lost by that.
_CHANGING = ("prune", "sparsify", "distill", "factorize_embeddings", "train_quantized")
_LOST = {
    "sparsify": "its zeros would be filled again",
    "train_quantized": "the weights would no longer be trained for int8",
}


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
        self._check_order()
        return self

    def _check_order(self) -> None:
        self._check_torch_weights()
        for name, recipe in self.recipes.items():
            methods = self._methods(recipe)
            for place, method in enumerate(methods):
                behind = [other for other in methods[place + 1 :] if other in _CHANGING and other != method]
                if method in _LOST and behind:
                    raise ValueError(
                        f"recipes.{name}: {' -> '.join(methods)} would lose what {method} does: {_LOST[method]} by "
                        f"{behind[0]}. Put {method} behind it, or leave it out"
                    )

    def _methods(self, recipe: Recipe) -> list[str]:
        """All that a recipe's model goes through, from the trained one on."""
        earlier = [] if recipe.parent == "trained" else self._methods(self.recipes[recipe.parent])
        return [*earlier, *(step.method for step in recipe.steps)]

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
        return [method for method in self._methods(parent) if method in ON_ONNX]

    @model_validator(mode="after")
    def _searched_recipes_can_be_made(self) -> "Compress":
        space = self.search.space
        for names in space.recipes:
            searched = Recipe(**{"from": "full", "steps": space.first_steps(names)})
            try:
                alone = {"full": self.recipes["full"], "searched": searched}
                self.model_copy(update={"recipes": alone})._check_order()
            except ValueError as error:
                raise ValueError(f"search.space.recipes: {' -> '.join(names)}: {error}") from None
        return self
