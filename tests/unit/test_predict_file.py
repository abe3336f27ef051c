"""Files in, files out: every row keeps its place, whatever it holds."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.corpora import movie_reviews
from tests.task_documents import documents_of
from tests.tiny_bundle import tiny_bundle
from textmill import predict_file as module
from textmill.data.sources import Options, Place
from textmill.data.sources.delimited import Delimited
from textmill.data.sources.errors import MissingColumn, UnreadableSource
from textmill.predict_file import UnusableFile, predict_file
from textmill.runtime import Classifier

TEXTS = ["A moving and beautiful film.", "Dull, tedious and boring.", 'With "quotes", a comma\nand a line break.']


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier.load(tiny_bundle(tmp_path_factory.mktemp("model") / "bundle", movie_reviews()[:2000]))


def ignore(num_rows: int, total: int) -> None:
    pass


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".jsonl":
        return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("target", [".csv", ".jsonl", ".parquet"])
def test_rows_and_columns_are_kept_and_answers_exact(
    classifier: Classifier, tmp_path: Path, kind: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 4)  # several batches
    texts = [*TEXTS, *movie_reviews()["text"][2000:2009]]
    table = pd.DataFrame({"number": range(len(texts)), "text": texts})
    source, output = tmp_path / f"texts{kind}", tmp_path / f"out{target}"
    if kind == ".parquet":
        table.to_parquet(source)
    elif kind == ".jsonl":
        table.to_json(source, orient="records", lines=True)
    else:
        table.to_csv(source, index=False, sep="\t" if kind == ".tsv" else ",")
    seen = []
    assert predict_file(classifier, source, output, "text", lambda n, total: seen.append((n, total))) == (12, 0)
    assert seen == [(4, 12)] * 3
    found = read(output)
    assert list(found.columns[:5]) == ["number", "text", "predicted", "probability", "error"]
    assert found["text"].tolist() == texts
    assert found["number"].astype(int).tolist() == list(range(12))
    expected = [classifier.predict([text], batch_size=1)[0] for text in texts]
    assert found["predicted"].tolist() == [prediction.label for prediction in expected]
    for label in classifier.labels:
        column = found[f"probability_{label}"].to_numpy(np.float64)
        assert column.tolist() == [prediction.probabilities[label] for prediction in expected]
    assert found["error"].isna().all()


@pytest.mark.parametrize("target", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("multi_label", ["predicted", "error", "probability_funny", "probability_positive", "probability_story"]),
        ("regression", ["predicted", "error"]),
    ],
)
def test_the_columns_follow_the_task(tmp_path: Path, task: str, columns: list[str], target: str) -> None:
    documents = documents_of(task)
    classifier = Classifier.load(tiny_bundle(tmp_path / "bundle", documents[:1000], task=task))
    texts = [*documents["text"][1000:1150], ""]
    source, output = tmp_path / "texts.parquet", tmp_path / f"out{target}"
    pd.DataFrame({"text": texts}).to_parquet(source)
    assert predict_file(classifier, source, output, "text", ignore) == (151, 1)
    found = read(output)
    assert list(found.columns) == ["text", *columns]
    assert found["error"].tolist()[-1] == "empty text"
    assert pd.isna(found["predicted"].iloc[-1])
    answers = classifier.predict(texts[:150], batch_size=1)
    if task == "regression":
        assert found["predicted"].tolist()[:150] == [answer.value for answer in answers]
        return
    expected = ["|".join(answer.labels) for answer in answers]
    assert found["predicted"].fillna("").tolist()[:150] == expected
    assert "" in expected
    assert any("|" in joined for joined in expected)
    for label in classifier.labels:
        column = found[f"probability_{label}"].tolist()[:150]
        assert column == [answer.probabilities[label] for answer in answers]


@pytest.mark.parametrize("target", [".csv", ".jsonl", ".parquet"])
def test_a_row_without_a_text_keeps_its_place_with_the_reason(
    classifier: Classifier, tmp_path: Path, target: str
) -> None:
    rows = [
        {"text": "Fine."},
        {"text": None},
        {"other": 1},
        {"text": "  "},
        {"text": ["a"]},
        {"text": 12},
        {"text": ""},
    ]
    source, output = tmp_path / "texts.jsonl", tmp_path / f"out{target}"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict_file(classifier, source, output, "text", ignore) == (7, 5)
    errors = read(output)["error"]
    expected = [None, "no text", "no text", "empty text", "not a text but a list", None, "empty text"]
    assert [None if pd.isna(error) else error for error in errors] == expected
    assert read(output)["predicted"].isna().tolist() == [error is not None for error in expected]


@pytest.mark.parametrize("ending", [".csv.gz", ".jsonl.zst", ".txt.gz"])
def test_compressed_files_are_read(classifier: Classifier, tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"text": TEXTS[:2]})
    plain = {
        ".csv.gz": table.to_csv(index=False),
        ".jsonl.zst": table.to_json(orient="records", lines=True),
        ".txt.gz": "\n".join(TEXTS[:2]),
    }[ending]
    source, output = tmp_path / f"texts{ending}", tmp_path / "out.jsonl"
    codec = "gzip" if ending.endswith("gz") else "zstd"
    with pa.CompressedOutputStream(str(source), codec) as stream:
        stream.write(plain.encode())
    assert predict_file(classifier, source, output, "text", ignore) == (2, 0)
    assert read(output)["text"].tolist() == TEXTS[:2]
    source.write_bytes(source.read_bytes()[:20])
    with pytest.raises(UnreadableSource, match="or was cut off"):
        predict_file(classifier, source, output, "text", ignore)


def test_columns_of_mixed_values_fit_into_parquet(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    values = [1, "two", {"three": 3}, None, [4], 5.5]
    source, output = tmp_path / "texts.jsonl", tmp_path / "out.parquet"
    source.write_text("".join(json.dumps({"text": "Fine.", "value": value}) + "\n" for value in values))
    predict_file(classifier, source, output, "text", ignore)
    assert len(read(output)) == 6


def test_a_text_file_has_a_text_a_line(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("A moving film.\n\nDull and boring.\n", encoding="utf-8")
    assert predict_file(classifier, tmp_path / "texts.txt", tmp_path / "out.csv", "text", ignore) == (3, 1)
    assert read(tmp_path / "out.csv")["error"].fillna("").tolist() == ["", "empty text", ""]


@pytest.mark.parametrize("content", ["text\n", ""])
@pytest.mark.parametrize("target", [".csv", ".jsonl", ".parquet"])
def test_no_rows_give_a_file_without_rows(classifier: Classifier, tmp_path: Path, content: str, target: str) -> None:
    (tmp_path / "texts.csv").write_text(content)
    output = tmp_path / f"out{target}"
    if not content:
        with pytest.raises(MissingColumn, match="its columns: none"):
            predict_file(classifier, tmp_path / "texts.csv", output, "text", ignore)
        return
    assert predict_file(classifier, tmp_path / "texts.csv", output, "text", ignore) == (0, 0)
    assert output.exists()
    if target != ".jsonl":
        assert "predicted" in read(output).columns


@pytest.mark.parametrize(
    ("source", "output", "column", "message"),
    [
        ("gone.csv", "out.csv", "text", "gone.csv does not exist"),
        ("texts.csv", "out.xlsx", "text", "--output .*: the ending '.xlsx' is not one of .parquet, .csv, .jsonl"),
        ("texts.doc", "out.csv", "text", "--input .*: the ending '.doc' is not one of"),
        ("texts.csv", "texts.csv", "text", "is the input itself"),
        ("texts.csv", "folder.csv", "text", "--output .*folder.csv is a folder"),
        ("texts.csv", "out.csv", "body", "has no column 'body'; its columns: text, error"),
        ("texts.csv", "out.csv", "text", "already has the columns error"),
        ("broken.csv", "out.csv", "text", "the row that begins at line 3"),
    ],
)
def test_mistakes_are_told_and_leave_no_file(
    classifier: Classifier, tmp_path: Path, source: str, output: str, column: str, message: str
) -> None:
    (tmp_path / "texts.csv").write_text("text,error\nGood.,none\n")
    (tmp_path / "texts.doc").write_text("text\n")
    (tmp_path / "broken.csv").write_text("text,number\nGood.,1\nBad.\n")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises((UnusableFile, MissingColumn, UnreadableSource), match=message):
        predict_file(classifier, tmp_path / source, tmp_path / output, column, ignore)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_column_that_changes_its_type_late_fits_into_parquet(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    rows = [{"a": i, "b": i, "c": "x", "text": "Fine."} for i in range(3)] + [{"a": "late", "b": 0.5, "text": "Fine."}]
    source, output = tmp_path / "texts.jsonl", tmp_path / "out.parquet"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict_file(classifier, source, output, "text", ignore) == (4, 0)
    found = read(output)
    assert found["a"].tolist() == ["0", "1", "2", "late"]
    assert found["b"].tolist() == ["0", "1", "2.0", "0.5"]
    assert found["c"].fillna("(null)").tolist() == ["x", "x", "x", "(null)"]


def test_a_lone_carriage_return_does_not_part_a_row_of_csv(classifier: Classifier, tmp_path: Path) -> None:
    texts = ["One\rtwo.", "Three\nfour.", "Five\r\nsix.", "Seven."]
    source, output = tmp_path / "texts.jsonl", tmp_path / "out.csv"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert predict_file(classifier, source, output, "text", ignore) == (4, 0)
    assert read(output)["text"].tolist() == texts
    (table,) = Delimited(Place.of(output), Options()).batches(100)
    assert table["text"].tolist() == texts


def test_a_blank_line_of_a_csv_with_one_column_keeps_its_place(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text\nFine.\n\nDull.\n")
    assert predict_file(classifier, tmp_path / "texts.csv", tmp_path / "out.jsonl", "text", ignore) == (3, 1)
    assert read(tmp_path / "out.jsonl")["text"].tolist() == ["Fine.", "", "Dull."]


def test_the_mark_of_utf8_is_no_part_of_the_first_text(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("Fine.\nDull.\n", encoding="utf-8-sig")
    predict_file(classifier, tmp_path / "texts.txt", tmp_path / "out.jsonl", "text", ignore)
    assert read(tmp_path / "out.jsonl")["text"].tolist() == ["Fine.", "Dull."]
