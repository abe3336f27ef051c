"""Folders that `datasets` saved."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

os.environ["HF_DATASETS_OFFLINE"] = "1"
datasets = pytest.importorskip("datasets", reason="the optional extra `hf` is not installed")

from tests.repo.stages import ROOT  # noqa: E402
from textmill.data.sources import Columns, Options, Place, open_layout, open_source  # noqa: E402
from textmill.data.sources.errors import EmptySource, UnreadableSource  # noqa: E402

FEATURES = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ham", "spam"])})


def make(num_rows=5, features=FEATURES, **columns):
    columns = columns or {"text": [f"text {n}" for n in range(num_rows)], "label": [n % 2 for n in range(num_rows)]}
    return datasets.Dataset.from_dict(columns, features=features)


def read(path, batch_size=2):
    reading = open_source(Place.of(path), Columns("text", "label"), None, Options())
    return pd.concat(list(reading.documents(batch_size)), ignore_index=True), reading.record()


def test_names_take_the_place_of_class_numbers(tmp_path):
    make(text=["a", "b", None, "d"], label=[0, 1, -1, None]).save_to_disk(tmp_path / "mail")
    table, record = read(tmp_path / "mail")
    assert list(table["text"]) == ["a", "b", None, "d"]
    assert list(table["label"]) == ["ham", "spam", None, None]
    assert list(table["origin"]) == ["mail:1", "mail:2", "mail:3", "mail:4"]
    assert table["split"].isna().all()
    assert (record["layout"], record["columns"]) == ("hf_folder", ["text", "label"])


def test_a_dict_says_the_split_of_each_row(tmp_path):
    datasets.DatasetDict(train=make(5), validation=make(2), test=make(3), unsupervised=make(9)).save_to_disk(tmp_path)
    (tmp_path / "README.md").write_text("about")
    table, record = read(tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 5, "test": 3, "validation": 2}
    assert table["origin"].iloc[-1] == "test:3"
    assert record["given_splits"] == {"train": 5, "validation": 2, "test": 3}
    assert record["ignored"] == ["unsupervised/", "README.md"]
    assert record["num_files"] == 3


def test_other_types_of_columns(tmp_path):
    columns = {"text": ["a", "b"], "label": [True, None], "stars": [1.0, 2.5], "words": [["a"], []]}
    make(features=None, **columns).save_to_disk(tmp_path / "s")
    table, record = read(tmp_path / "s")
    assert list(table["label"]) == ["true", None]
    assert record["columns"] == ["text", "label", "stars", "words"]


def test_shards_come_in_order_and_any_number_of_times(tmp_path):
    make(1000).save_to_disk(tmp_path / "s", num_shards=7)
    _, source = open_layout(Place.of(tmp_path / "s"), Options())
    for _ in range(2):
        batches = list(source.batches(64))
        assert max(map(len, batches)) <= 64
        assert list(pd.concat(batches)["text"]) == [f"text {n}" for n in range(1000)]
    assert source.num_files == 7


@pytest.mark.parametrize("num_train", [0, 3])
def test_splits_without_rows(num_train, tmp_path):
    datasets.DatasetDict(train=make(num_train), test=make(0)).save_to_disk(tmp_path / "s")
    if num_train:
        table, _ = read(tmp_path / "s")
        assert list(table["split"]) == ["train"] * 3
    else:
        with pytest.raises(EmptySource, match="holds no documents"):
            read(tmp_path / "s")


def test_no_split_that_is_known(tmp_path):
    datasets.DatasetDict(english=make(), french=make()).save_to_disk(tmp_path)
    with pytest.raises(
        UnreadableSource, match="has the splits english, french, none of them train, validation or test"
    ):
        read(tmp_path)


def test_splits_with_other_columns(tmp_path):
    other = make().rename_column("label", "class")
    datasets.DatasetDict({"train": make(), "test": other}).save_to_disk(tmp_path / "s")
    with pytest.raises(UnreadableSource, match="test has the columns text, class, but train"):
        read(tmp_path / "s")


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("state.json", lambda state: state.update(_data_files=[{"filename": "../other.arrow"}]), "does not list"),
        (
            "state.json",
            lambda state: state.update(_data_files=[{"filename": "gone.arrow"}]),
            r"gone\.arrow, which is not",
        ),
        ("state.json", lambda state: state.pop("_fingerprint"), "is damaged, or no dataset"),
        ("dataset_info.json", lambda info: info["features"]["label"].update(names=["ham"]), "holds the class 1, but"),
        ("dataset_info.json", lambda info: info["features"]["label"].update(_type="Nothing"), "is damaged, or no"),
    ],
)
def test_what_does_not_fit_together_is_told(file, change, said, tmp_path):
    make().save_to_disk(tmp_path / "s")
    path = tmp_path / "s" / file
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UnreadableSource, match=said):
        read(tmp_path / "s")


def test_a_dict_may_not_lead_elsewhere(tmp_path):
    make().save_to_disk(tmp_path / "elsewhere")
    datasets.DatasetDict(train=make()).save_to_disk(tmp_path / "s")
    for name in ("../elsewhere", "..", ".", "", str(tmp_path / "elsewhere"), "gone"):
        (tmp_path / "s/dataset_dict.json").write_text(json.dumps({"splits": ["train", name]}))
        with pytest.raises(UnreadableSource, match=f"names the split {name!r}"):
            read(tmp_path / "s")
    (tmp_path / "s/dataset_dict.json").write_text('{"splits": ["train"]}')
    (tmp_path / "s/train/data-00000-of-00001.arrow").unlink()
    (tmp_path / "s/train/data-00000-of-00001.arrow").symlink_to(tmp_path / "elsewhere/data-00000-of-00001.arrow")
    with pytest.raises(UnreadableSource, match="symbolic link that leads out"):
        read(tmp_path / "s")


def test_nothing_is_written_and_nobody_is_called(tmp_path):
    """In a fresh interpreter with a cache folder of its own and sockets that fail."""
    datasets.DatasetDict(train=make(), test=make()).save_to_disk(tmp_path / "s")
    code = (
        "import socket, sys\n"
        "def refuse(*arguments, **named): raise RuntimeError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from pathlib import Path\n"
        "from textmill.data.sources import Columns, Place, open_source\n"
        "reading = open_source(Place.of(Path(sys.argv[1])), Columns('text', 'label'))\n"
        "print(sum(map(len, reading.documents())))\n"
    )
    before = sorted(path.relative_to(tmp_path) for path in (tmp_path / "s").rglob("*"))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT / "src"),
    }
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.stdout == "10\n", answer.stderr
    assert not (tmp_path / "cache").exists()
    assert sorted(path.relative_to(tmp_path) for path in (tmp_path / "s").rglob("*")) == before


def test_without_the_library_the_extra_is_named(tmp_path):
    make().save_to_disk(tmp_path / "s")
    code = (
        "import sys\n"
        "sys.modules['datasets'] = None\n"  # what `import` sees of a module that is not installed
        "from pathlib import Path\n"
        "from textmill.data.sources import Columns, Place, open_source\n"
        "from textmill.errors import UserError\n"
        "try: open_source(Place.of(Path(sys.argv[1])), Columns('text', 'label'))\n"
        "except UserError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "pip install 'textmill[hf]'" in answer.stdout, answer.stderr
