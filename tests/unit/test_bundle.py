import hashlib
import inspect
import json
from pathlib import Path

import pytest

from tests.corpora import movie_reviews
from tests.tiny_bundle import tiny_bundle
from textmill.bundle import InvalidBundle, read_manifest, write_bundle
from textmill.errors import UserError
from textmill.runtime import Classifier


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle", movie_reviews()[:200])


def test_the_manifest_is_deterministic_and_names_every_file(bundle):
    first = (bundle / "bundle.json").read_bytes()
    given = set(inspect.signature(write_bundle).parameters) - {"folder"}
    write_bundle(bundle, **{name: read_manifest(bundle)[name] for name in given})
    assert (bundle / "bundle.json").read_bytes() == first
    manifest = read_manifest(bundle)
    digest = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    assert manifest["files"]["model.onnx"] == digest
    assert set(manifest["files"]) == {"model.onnx", "tokenizer.json"}
    assert set(manifest["tool_versions"]) == {"onnx", "onnxruntime", "tokenizers"}
    assert manifest["format_version"] == 3
    assert manifest["labels"] == ["negative", "positive"]


def test_what_is_not_a_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(InvalidBundle, match=r"nowhere is not a bundle.*dvc repro"):
        Classifier.load(tmp_path / "nowhere")
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**manifest, "format_version": 7}))
    with pytest.raises(InvalidBundle, match="format_version 7; this textmill reads 2 and 3"):
        Classifier.load(bundle)
    (bundle / "bundle.json").write_text("{")
    with pytest.raises(InvalidBundle, match=r"bundle\.json is not JSON"):
        Classifier.load(bundle)
    assert issubclass(InvalidBundle, UserError)


def test_changed_or_missing_files_are_refused(bundle):
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[-1] ^= 1
    (bundle / "model.onnx").write_bytes(data)
    with pytest.raises(InvalidBundle, match=r"model\.onnx is missing, or not the file that was bundled"):
        Classifier.load(bundle)
    Classifier.load(bundle, verify=False)
    (bundle / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(InvalidBundle, match="cannot be loaded by onnxruntime"):
        Classifier.load(bundle, verify=False)
    (bundle / "model.onnx").unlink()
    with pytest.raises(InvalidBundle, match=r"model\.onnx is missing"):
        Classifier.load(bundle)
