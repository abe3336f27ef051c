"""OpenVINO answers as onnxruntime does: every family, the empty text, windows, batches and threads."""

import inspect
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.corpora import movie_reviews
from tests.tiny_bundle import TRUNCATE, tiny_bundle
from tests.tiny_model import (
    BLOCKS,
    DECODERS,
    ENCODERS,
    outspoken,
    tiny_encoder,
    tiny_model,
    tiny_tokenizer,
    write_tokens,
)
from textmill.bundle import read_manifest, write_bundle
from textmill.compression.export import export_onnx
from textmill.data.tokens import TokenArrays
from textmill.engines import EngineUnavailable, open_engine
from textmill.models.folder import FAMILIES
from textmill.runtime import Classifier

FLOAT32 = {"name": "openvino", "precision": "float32"}
BFLOAT16 = {"name": "openvino", "precision": "bfloat16"}
TEXTS = ["w10 w12 w13", "", "w11", " ".join(f"w{5 + i % 45}" for i in range(40)), "nothing known", "w49 " * 9]
LONG = {"strategy": "windows", "head_share": 0.25, "overlap": 2, "max_windows": 5}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokens(tmp_path_factory.mktemp("tokens"))


def bundle_of(model: torch.nn.Module, tokens: Path, folder: Path, **changed: object) -> Path:
    folder.mkdir()
    export_onnx(outspoken(model), folder / "model.onnx", TokenArrays.open(tokens, "validation"), 0)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    manifest = {"family": "tiny", "task": "single_label", "labels": ["no", "yes"], "thresholds": None, "target": None}
    manifest |= {"max_length": 12, "long_documents": TRUNCATE | {"overlap": 2}, "pad_id": 0, "temperature": 1.5}
    write_bundle(folder, **{**manifest, "recipe": [], "parent": None, "lineage": {"key": "k"}, **changed})
    return folder


@pytest.fixture(scope="module")
def bundle(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_model("transformer", tokens)
    return bundle_of(model, tokens, tmp_path_factory.mktemp("model") / "bundle", long_documents=LONG)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in [*ENCODERS, *DECODERS] if name not in ("bert", "gpt2")]


@pytest.mark.parametrize("name", [*FAMILIES, "gpt2", *SLOW])
def test_both_engines_give_the_same_logits(name: str, tokens: Path, tmp_path: Path) -> None:
    model = tiny_model(name, tokens) if name in BLOCKS else tiny_encoder(name)
    folder = bundle_of(model, tokens, tmp_path / "bundle")
    expected, found = (Classifier.load(folder, threads=1, engine=engine) for engine in (None, FLOAT32))
    for batch_size in (1, 4):
        logits_NC = found.predict_logits(TEXTS, batch_size)
        np.testing.assert_allclose(logits_NC, expected.predict_logits(TEXTS, batch_size), atol=1e-4)
    assert np.abs(logits_NC[0] - logits_NC[3]).max() > 1e-3, "the answer depends on the document"


def test_windows_and_their_mean(bundle: Path) -> None:
    expected, found = (Classifier.load(bundle, engine=engine) for engine in (None, FLOAT32))
    assert max(map(len, found.encode(TEXTS))) > 3
    np.testing.assert_allclose(found.predict_proba(TEXTS, 3), expected.predict_proba(TEXTS, 3), atol=1e-5)
    assert [answer.label for answer in found.predict(TEXTS, 1)] == [answer.label for answer in expected.predict(TEXTS)]


def test_bfloat16_is_near_and_not_the_same(bundle: Path) -> None:
    exact_NC, rounded_NC = (
        Classifier.load(bundle, engine=engine).predict_logits(TEXTS, 1) for engine in (FLOAT32, BFLOAT16)
    )
    assert 1e-4 < np.abs(exact_NC - rounded_NC).max() < 0.1 * np.abs(exact_NC).max()


def test_the_manifest_decides_and_the_caller_may_ask_for_another(bundle: Path, tmp_path: Path) -> None:
    own = shutil.copytree(bundle, tmp_path / "bundle")
    given = {
        name: read_manifest(bundle)[name] for name in inspect.signature(write_bundle).parameters if name != "folder"
    }
    write_bundle(own, **given | {"engine": FLOAT32})
    manifest = read_manifest(own)
    assert manifest["engine"] == FLOAT32
    assert set(manifest["tool_versions"]) == {"onnx", "onnxruntime", "openvino", "tokenizers"}
    assert type(Classifier.load(own)._engine).__name__ == "OpenVino"
    assert type(Classifier.load(own, engine={"name": "onnxruntime"})._engine).__name__ == "OnnxRuntime"
    assert type(Classifier.load(bundle)._engine).__name__ == "OnnxRuntime"
    with pytest.raises(EngineUnavailable, match=r"'tvm'.* is no engine.*openvino.*float32.*bfloat16"):
        Classifier.load(own, engine={"name": "tvm"})
    with pytest.raises(EngineUnavailable, match=r"float16.* is no engine"):
        Classifier.load(own, engine={"name": "openvino", "precision": "float16"})


def test_threads_are_those_that_are_asked_for(bundle: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from textmill.engines import open_engine; import numpy as np;"
        f"engine = open_engine(Path({str(bundle / 'model.onnx')!r}), {FLOAT32}, int(sys.argv[1]));"
        "print(engine._request.get_compiled_model().get_property('INFERENCE_NUM_THREADS'))"
    )
    for threads in ("1", "2"):
        assert run(code, threads).stdout.strip() == threads


def test_callers_on_several_threads_get_their_own_answers(bundle: Path) -> None:
    classifier = Classifier.load(bundle, threads=1, engine=FLOAT32)
    expected = {text: classifier.predict_logits([text]) for text in TEXTS}
    wrong: list[str] = []

    def ask(text: str) -> None:
        wrong.extend(text for _ in range(30) if not np.array_equal(classifier.predict_logits([text]), expected[text]))

    callers = [threading.Thread(target=ask, args=(text,)) for text in TEXTS]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_answers_outlive_the_next_run(bundle: Path) -> None:
    engine = open_engine(bundle / "model.onnx", FLOAT32, 1)
    first, second = np.array([[2, 10, 12]]), np.array([[2, 11, 40]])
    kept = engine.run({"input_ids": first, "attention_mask": np.ones_like(first)})
    before = kept.copy()
    engine.run({"input_ids": second, "attention_mask": np.ones_like(second)})
    assert np.array_equal(kept, before)


def test_a_graph_that_openvino_does_not_know_is_refused(tmp_path: Path) -> None:
    from textmill.baseline import tfidf
    from textmill.baseline.export import export
    from textmill.baseline.truth import Truth

    train = movie_reviews()[:200]
    settings = tfidf.Settings(
        max_ngram=1, max_features=500, character_ngrams=None, max_character_features=1, regularisation=10.0
    )
    counts = tfidf.count_ngrams(train["text"].tolist(), settings)
    export(tfidf.fit(counts, Truth.of_train(train["label"], "single_label"), 10.0), tmp_path)
    with pytest.raises(EngineUnavailable, match=r"cannot be run by openvino 20.*TfIdfVectorizer.*onnxruntime runs it"):
        open_engine(tmp_path / "model.onnx", FLOAT32, 1)


def run(code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_openvino_the_error_says_what_to_install(bundle: Path) -> None:
    code = (
        "import sys; sys.modules['openvino'] = None; from pathlib import Path;"
        "from textmill.runtime import Classifier; from textmill.engines import EngineUnavailable\n"
        f"bundle = Path({str(bundle)!r})\n"
        "print(Classifier.load(bundle).predict(['w10'])[0].label)\n"
        f"try: Classifier.load(bundle, engine={FLOAT32})\n"
        "except EngineUnavailable as error: print(error)"
    )
    label, message = run(code).stdout.splitlines()
    assert label in ("no", "yes")
    assert "pip install textmill[openvino]" in message


def test_no_engine_reports_anything_to_anybody(bundle: Path, tmp_path: Path) -> None:
    """Both would write an identifier to the home folder, and send it."""
    code = (
        "import socket, sys; from pathlib import Path\n"
        "def refuse(*_): print('connects'); raise OSError\n"
        "socket.socket.connect = refuse\n"
        "from textmill.runtime import Classifier\n"
        f"print(Classifier.load(Path({str(bundle)!r}), engine={FLOAT32}).predict(['w10'])[0].label)\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    answer = run(code, HOME=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    label, loaded = answer.stdout.splitlines()
    assert label in ("no", "yes")
    assert loaded == "[]"
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_the_format_before_is_read(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle", movie_reviews()[:200])
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["engine"]
    expected = Classifier.load(folder).predict(["a fine film"])
    (folder / "bundle.json").write_text(json.dumps({**manifest, "format_version": 2}))
    assert read_manifest(folder)["engine"] == {"name": "onnxruntime"}
    assert Classifier.load(folder).predict(["a fine film"]) == expected
