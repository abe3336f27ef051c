"""A bundle packed as an MLflow model that needs neither textmill nor a training library to be served."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from textmill import errors, runtime

CLUSTERS = "train_clusters.npy"
REQUIREMENTS = ("mlflow", "onnxruntime", "tokenizers", "numpy", "pydantic")


@contextmanager
def model_arguments(
    bundle: Path, train_clusters: Collection[str], input_example: list[str]
) -> Iterator[dict[str, Any]]:
    """What MLflow logs a model from: the code that serves it, its files and its pinned requirements."""
    with tempfile.TemporaryDirectory() as folder:
        clusters = Path(folder, CLUSTERS)
        np.save(clusters, np.array(sorted(int(cluster, 16) for cluster in train_clusters), dtype=np.uint64))
        yield {
            "python_model": Path(__file__).with_name("pyfunc.py"),
            "artifacts": {"bundle": str(bundle), "runtime": str(_ship_runtime(Path(folder))), CLUSTERS: str(clusters)},
            "input_example": input_example,
            "pip_requirements": [f"{name}=={version(name)}" for name in REQUIREMENTS],
        }


def _ship_runtime(folder: Path) -> Path:
    """Copy the runtime, so that the served model needs no textmill; its one import of textmill becomes relative."""
    shipped = folder / "runtime"
    shipped.mkdir()
    source = Path(str(runtime.__file__)).read_text(encoding="utf-8")
    relative = source.replace("from textmill.errors import", "from .errors import")
    assert "from textmill" not in relative and "import textmill" not in relative, "runtime.py stands alone"
    (shipped / "runtime.py").write_text(relative, encoding="utf-8")
    (shipped / "errors.py").write_text(Path(str(errors.__file__)).read_text(encoding="utf-8"), encoding="utf-8")
    (shipped / "__init__.py").write_text('"""textmill\'s runtime as of the day this model was registered."""\n')
    return shipped
