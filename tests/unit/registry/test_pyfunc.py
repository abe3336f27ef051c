"""The registered model, loaded and served, answers exactly as the runtime does, and without a training library."""

import inspect
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline import register
from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from tests.tiny_run import PROJECT, migrated_database, tiny_run
from textmill.bundle import read_manifest, write_bundle
from textmill.config import load_params
from textmill.paths import Paths
from textmill.registry import packaging
from textmill.registry.versions import connect
from textmill.runtime import Classifier

TEXTS = [*movie_reviews()["text"][5000:5020], "", "Ünïcode — „quotes“ \U0001f600", "no words of the vocabulary: zzzqqq"]

LOAD = """
import json, sys
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = [model.predict([text])[0] for text in json.loads(sys.stdin.read())]
together = model.predict([a.label for a in answers])
assert model.predict([]) == []
print(json.dumps({
    "answers": [[a.label, a.probabilities] for a in answers],
    "modules": [name for name in ("torch", "textmill", "transformers") if name in sys.modules],
}))
"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        paths = tiny_run(tmp_path_factory.mktemp("served"))
        register.run(load_params(paths.params), paths)
        yield paths


@pytest.fixture(scope="module")
def expected(paths: Paths) -> list[list[Any]]:
    classifier = Classifier.load(paths.bundle("int8"))
    return [list(classifier.predict([text], batch_size=1)[0]) for text in TEXTS]


def environment(paths: Paths) -> dict[str, str]:
    """Nothing of the repository is on the path, and the package that is installed must not be needed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "MLFLOW_TRACKING_URI": f"sqlite:///{paths.mlflow_database}", "MLFLOW_DISABLE_TELEMETRY": "true"}


def test_load_model_equals_the_runtime_and_imports_no_torch(paths: Paths, expected: list[list[Any]]) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LOAD, f"models:/{PROJECT}@champion"],
        input=json.dumps(TEXTS),
        env=environment(paths),
        cwd=paths.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["answers"] == expected
    assert found["modules"] == []


def test_company_in_a_request_changes_nothing(paths: Paths, expected: list[list[Any]]) -> None:
    import mlflow

    model = mlflow.pyfunc.load_model(f"models:/{PROJECT}@champion")
    assert [[answer.label, answer.probabilities] for answer in model.predict(TEXTS)] == expected


def test_requirements_are_pinned_and_name_no_training_library(paths: Paths) -> None:
    (file, *_) = paths.mlflow_artifacts.rglob("requirements.txt")
    lines = file.read_text().split()
    assert {line.partition("==")[0] for line in lines} == {"mlflow", "onnxruntime", "tokenizers", "numpy", "pydantic"}
    assert all("==" in line for line in lines)


def test_served_over_http_equals_the_runtime_without_torch(paths: Paths, expected: list[list[Any]]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{PROJECT}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    log = paths.root / "server.log"
    with log.open("w") as output:
        # mlflow starts the server with the `python` and `uvicorn` of the path.
        found_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        server = subprocess.Popen(
            command, env={**environment(paths), "PATH": found_first}, cwd=paths.root, stdout=output, stderr=output
        )
        try:
            _wait_until_up(port, server, log)
            served = [_ask(port, [text])[0] for text in TEXTS]
            assert [[answer["label"], answer["probabilities"]] for answer in served] == expected
            assert _ask(port, TEXTS) == served
            assert _ask(port, []) == []
            processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
            files = {region.path for process in processes for region in process.memory_maps()}
            assert any("onnxruntime" in file for file in files)
            assert not [file for file in files if "libtorch" in file]
        finally:
            for process in [*psutil.Process(server.pid).children(recursive=True), server]:
                process.kill()
            server.wait(10)


@pytest.mark.parametrize(
    ("task", "output"), [("multi_label", "labels: Array(string)"), ("regression", "value: double")]
)
def test_signature_and_answers_over_http_follow_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, output: str
) -> None:
    """MLflow's own server, in this process: the one in a process of its own takes 20 s to start."""
    import mlflow
    import uvicorn
    from mlflow.pyfunc import scoring_server

    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "false")  # the server sets it: so it is taken back
    paths = Paths(root=tmp_path, state=tmp_path)
    shutil.copy(migrated_database(), paths.mlflow_database)
    client = connect(paths, task)
    documents = documents_of(task)
    bundle = tiny_bundle(tmp_path / "bundle", documents[:1000], task=task)
    with mlflow.start_run():
        version = packaging.register(
            client, task, bundle, train_clusters=documents["cluster"][:1000], input_example=TEXTS[:2], tags={}
        )
    model = mlflow.pyfunc.load_model(f"models:/{task}/{version.number}")
    assert output in repr(model.metadata.signature.outputs)
    server = uvicorn.Server(uvicorn.Config(scoring_server.init(model), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        expected = [answer._asdict() for answer in Classifier.load(bundle).predict(TEXTS, batch_size=1)]
        assert _ask(port, TEXTS) == expected
        assert _ask(port, []) == []
    finally:
        server.should_exit = True
        thread.join(10)


def test_a_model_with_another_engine_pins_it_and_runs_on_it(tmp_path: Path) -> None:
    import mlflow

    paths = Paths(root=tmp_path, state=tmp_path)
    shutil.copy(migrated_database(), paths.mlflow_database)
    client = connect(paths, "engine")
    documents = movie_reviews()
    bundle = tiny_bundle(tmp_path / "bundle", documents[:1000])
    manifest = read_manifest(bundle)
    given = {name: manifest[name] for name in inspect.signature(write_bundle).parameters if name != "folder"}
    write_bundle(bundle, **given | {"engine": {"name": "openvino", "precision": "float32"}})
    with mlflow.start_run():
        version = packaging.register(
            client, "engine", bundle, train_clusters=documents["cluster"][:1000], input_example=TEXTS[:2], tags={}
        )
    model = mlflow.pyfunc.load_model(f"models:/engine/{version.number}")
    (file,) = paths.mlflow_artifacts.rglob("requirements.txt")
    assert {line.partition("==")[0] for line in file.read_text().split()} == {*packaging.REQUIREMENTS, "openvino"}
    assert type(model.unwrap_python_model()._classifier._engine).__name__ == "OpenVino"
    classifier = Classifier.load(bundle, engine={"name": "onnxruntime"})
    expected = [classifier.predict([text])[0] for text in TEXTS]
    answers = model.predict(TEXTS)
    assert [answer.label for answer in answers] == [answer.label for answer in expected]
    for answer, reference in zip(answers, expected, strict=True):
        assert answer.probabilities == pytest.approx(reference.probabilities, abs=1e-5)


def _wait_until_up(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def _ask(port: int, texts: list[str]) -> Any:
    body = json.dumps({"inputs": texts}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["predictions"]
