"""The model that MLflow logs from this very file and serves: the bundle behind a `predict` on raw texts.

Each text is predicted alone, in a batch of one: a dynamically quantised model depends slightly on who
shares its batch, and so the command line, `mlflow.pyfunc.load_model` and the HTTP server give the same
bits for the same text, whatever is sent beside it.

The copy of this file inside a registered model imports neither textmill nor torch: the runtime travels
with the model as an artifact, see `packaging._ship_runtime`.
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


class Prediction(BaseModel):
    """The most probable label, and every label's calibrated probability."""

    label: str
    probabilities: dict[str, float]


class TextClassifier(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        runtime = _load_runtime(Path(context.artifacts["runtime"]))
        self._classifier = runtime.Classifier.load(Path(context.artifacts["bundle"]))

    def predict(
        self, context: PythonModelContext, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[Prediction]:
        if not model_input:
            return []
        predictions = self._classifier.predict(model_input, batch_size=1)
        return [Prediction(label=p.label, probabilities=p.probabilities) for p in predictions]


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


mlflow.models.set_model(TextClassifier())
