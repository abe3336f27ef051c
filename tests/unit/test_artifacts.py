import json

import pandas as pd
import pytest

from textmill.artifacts import (
    QUARANTINE,
    RAW,
    MissingArtifact,
    atomic,
    iter_table,
    read_json,
    read_table,
    sha256,
    size_mb,
    write_json,
    write_table,
)


def rows(start, stop):
    values = [{"id": str(i), "text": f"text {i}", "label": None, "origin": f"a.csv:{i}"} for i in range(start, stop)]
    return pd.DataFrame(values).reindex(columns=RAW.names)


def test_a_killed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "figures.json"
    write_json(path, {"old": 1})
    with pytest.raises(KeyboardInterrupt), atomic(path) as temporary:
        temporary.write_text("half of a")
        raise KeyboardInterrupt
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["figures.json"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "model"
    for name in ("old", "new"):
        with atomic(path) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [p.name for p in path.iterdir()] == ["new"]


def test_json_holds_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_tables_stream_and_keep_their_schema(tmp_path):
    path = tmp_path / "documents.parquet"
    assert write_table(path, (rows(i, i + 10) for i in range(0, 30, 10)), RAW) == 30
    assert [len(batch) for batch in iter_table(path, 12)] == [10, 10, 10]  # never across the groups that were written
    assert [len(batch) for batch in iter_table(path, 6)] == [6, 4] * 3
    table = read_table(path)
    assert table["label"].isna().all()
    pd.testing.assert_frame_equal(table, pd.concat(iter_table(path, 7), ignore_index=True))


def test_an_empty_table_keeps_its_columns(tmp_path):
    write_table(tmp_path / "q.parquet", [], QUARANTINE)
    assert list(read_table(tmp_path / "q.parquet").columns) == QUARANTINE.names


@pytest.mark.parametrize("read", [read_json, read_table, lambda path: list(iter_table(path))])
def test_what_is_missing_or_broken_says_how_to_get_it_back(tmp_path, read):
    with pytest.raises(MissingArtifact, match=r"gone is missing.*dvc repro.*dvc checkout"):
        read(tmp_path / "gone")
    (tmp_path / "half").write_bytes(b"PAR1 {")
    with pytest.raises(MissingArtifact, match=r"half cannot be read"):
        read(tmp_path / "half")


def test_hash_and_size_are_of_content(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub/x").write_text("content")
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")
    (tmp_path / "b/sub/x").rename(tmp_path / "b/sub/y")
    assert sha256(tmp_path / "a") != sha256(tmp_path / "b"), "names count"
    (tmp_path / "big.json").write_text(json.dumps("x" * 999_998))
    assert size_mb(tmp_path / "big.json") == size_mb(tmp_path) - 2 * 7e-6 == pytest.approx(1.0)
