"""Under report.include_texts: false no word of a document leaves the stages that look at the test split."""

import re
from pathlib import Path

import pytest

from pipeline import compare, diagnose, evaluate, register, report
from tests.task_documents import documents_of
from tests.tiny_reports import write_data_reports, write_model_reports
from tests.tiny_run import MODELS, tiny_run
from textmill.artifacts import read_json
from textmill.config import load_params
from textmill.paths import Paths

WORD = "quokka"  # of test documents that are all answered wrongly, so that the search for weak slices finds it
OTHER = {"positive": "negative", "negative": "positive"}


def finished_run(root: Path, *, include_texts: bool) -> Paths:
    documents = documents_of("single_label")
    test = documents[5000:6200].reset_index(drop=True)
    odd = test.index < 150
    test.loc[odd, "text"] = f"{WORD} " + test.loc[odd, "text"]
    test.loc[odd, "label"] = test.loc[odd, "label"].map(OTHER)
    paths = tiny_run(root, splits=(documents[:5000], test), examined=True, report__include_texts=include_texts)
    write_data_reports(paths)
    write_model_reports(paths)
    params = load_params(paths.params)
    for name in MODELS:
        evaluate.run(params, paths, name, "test")
    for stage in (compare, diagnose, register, report):
        stage.run(params, paths)
    return paths


@pytest.mark.parametrize("include_texts", [True, False])
def test_words_of_documents_are_in_reports_and_in_the_store_only_if_they_may(
    tmp_path: Path, include_texts: bool
) -> None:
    paths = finished_run(tmp_path, include_texts=include_texts)
    texts = "\n".join(documents_of("single_label")[5000:6200]["text"]).lower()
    phrases = {WORD, *re.findall(r"[a-z]+(?: [a-z]+){4}", texts)}
    files = [file for folder in (tmp_path / "reports", paths.mlflow_artifacts) for file in folder.rglob("*")]
    told = {
        file.relative_to(tmp_path).as_posix(): sorted(phrase for phrase in phrases if phrase in content)
        for file in [*files, paths.mlflow_database]
        if file.is_file() and file.suffix not in (".onnx", ".parquet")
        for content in [file.read_text(encoding="utf-8", errors="replace").lower()]
    }
    found = {name: words for name, words in told.items() if words}
    assert any(name.endswith("test/report.json") for name in told)
    rows = read_json(paths.evaluation("test", "int8") / "report.json")["weak_slices"]["rows"]
    assert any(of["feature"] == "word" for of in rows[0]["conditions"])
    if include_texts:
        assert "reports/test/int8/report.json" in found
        assert "reports/page/index.html" in found
    else:
        assert found == {}
