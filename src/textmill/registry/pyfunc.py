"""The model that MLflow logs from this very file and serves: the bundle behind a `predict` on raw texts.

Each text is predicted alone, in a batch of one: a dynamically quantised model depends slightly on who
shares its batch, and so the command line, `mlflow.pyfunc.load_model` and the HTTP server give the same
bits for the same text, whatever is sent beside it.

MLflow copies this one file into a registered model, and takes the signature from the type hints of `predict`: so
there is a class for each task, and the model's configuration says which of them it is. The copy imports neither
textmill nor torch: the runtime travels with the model as an artifact, see `packaging._ship_runtime`.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext
from pydantic import BaseModel


class Label(BaseModel):
    """single_label: the most probable label, and every label's calibrated probability."""

    label: str
    probabilities: dict[str, float]


class Labels(BaseModel):
    """multi_label: the labels whose calibrated probability reaches their threshold, and every label's probability."""

    labels: list[str]
    probabilities: dict[str, float]


class Value(BaseModel):
    """regression: the number."""

    value: float


class ServedBundle(PythonModel):
    """Loads the bundle, and asks it about each text alone."""

    def load_context(self, context: PythonModelContext) -> None:
        runtime = _load_runtime(Path(context.artifacts["runtime"]))
        self._classifier = runtime.Classifier.load(Path(context.artifacts["bundle"]))

    def _answer(self, texts: list[str]) -> list[dict[str, Any]]:
        predictions = self._classifier.predict(texts, batch_size=1) if texts else []
        return [prediction._asdict() for prediction in predictions]


class SingleLabel(ServedBundle):
    def predict(
        self, context: PythonModelContext, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[Label]:
        return [Label(**answer) for answer in self._answer(model_input)]


class MultiLabel(ServedBundle):
    def predict(
        self, context: PythonModelContext, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[Labels]:
        return [Labels(**answer) for answer in self._answer(model_input)]


class Regression(ServedBundle):
    def predict(
        self, context: PythonModelContext, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[Value]:
        return [Value(**answer) for answer in self._answer(model_input)]


def _load_runtime(folder: Path) -> ModuleType:
    """Import the runtime that was shipped, under a name of its own content.

    So a process may hold models of different ages, and an installed textmill is neither used nor shadowed.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py"))))
    package = f"textmill_runtime_{digest.hexdigest()[:12]}"
    if package not in sys.modules:
        location = folder / "__init__.py"
        spec = importlib.util.spec_from_file_location(package, location, submodule_search_locations=[str(folder)])
        assert spec and spec.loader, location
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    return importlib.import_module(f"{package}.runtime")


MODELS = {"single_label": SingleLabel(), "multi_label": MultiLabel(), "regression": Regression()}
mlflow.models.set_model(MODELS[mlflow.models.ModelConfig().get("task")])
