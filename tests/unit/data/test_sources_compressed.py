"""Files that gzip and zstd wrote, and those that are damaged or would fill the disk."""

import gzip
import shutil
import subprocess

import pandas as pd
import pyarrow as pa
import pytest

from tests.tiny_sources import ROWS, as_a_user, read, write_delimited, write_folder, write_jsonl, write_orange
from textmill.data.sources.errors import UnreadableSource

WRITERS = {"csv": write_delimited, "jsonl": write_jsonl, "tab": write_orange}


def compress(path, ending):
    """What the command-line tool makes of a file, where it is installed."""
    tool = {"gz": "gzip", "zst": "zstd"}[ending]
    if shutil.which(tool):
        subprocess.run([tool, "-q", str(path)], check=True)
        path.unlink(missing_ok=True)
        return path.with_name(f"{path.name}.{ending}")
    content = path.read_bytes()
    path.unlink()
    path = path.with_name(f"{path.name}.{ending}")
    path.write_bytes(gzip.compress(content) if ending == "gz" else pa.compress(content, "zstd", asbytes=True))
    return path


@pytest.mark.parametrize("ending", ["gz", "zst"])
@pytest.mark.parametrize("kind", WRITERS)
def test_compressed_tables(kind, ending, tmp_path):
    path = compress(WRITERS[kind](tmp_path), ending)
    table, record = read(path)
    assert list(zip(table["text"], table["label"], strict=True)) == ROWS
    assert table["origin"][0].startswith(f"s.{kind}.{ending}:")
    assert record["num_files"] == 1


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_texts_in_a_folder_per_class(ending, tmp_path):
    folder = write_folder(tmp_path)
    compress(folder / "1" / "0.txt", ending)
    table, _ = read(folder)
    assert table.set_index("origin")["text"][f"1/0.txt.{ending}"] == ROWS[0][0]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_pandas_writes_compressed(compression, tmp_path):
    if compression == "zstd":
        pytest.importorskip("zstandard")
    path = tmp_path / f"s.csv.{'gz' if compression == 'gzip' else 'zst'}"
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(path, index=False, compression=compression)
    assert list(read(path)[0]["text"]) == [text for text, _ in ROWS]


def test_members_one_after_the_other(tmp_path):
    for ending, parts in (
        ("gz", [gzip.compress(b"text,label\na,1\n"), gzip.compress(b"b,0\n")]),
        ("zst", [pa.compress(part, "zstd", asbytes=True) for part in (b"text,label\na,1\n", b"b,0\n")]),
    ):
        (tmp_path / f"s.csv.{ending}").write_bytes(b"".join(parts))
        assert list(read(tmp_path / f"s.csv.{ending}")[0]["text"]) == ["a", "b"]


def numbered_csv():
    return b"text,label\n" + b"".join(b"document %d,%d\n" % (number, number % 2) for number in range(5000))


@pytest.mark.parametrize(("ending", "kind"), [("gz", "gzip"), ("zst", "zstd")])
@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped", "other"])
def test_damaged_streams_are_told(ending, kind, damage, tmp_path):
    plain = tmp_path / "s.csv"
    plain.write_bytes(numbered_csv())
    path = compress(plain, ending)
    content = path.read_bytes()
    damaged = {
        "cut": content[: len(content) // 2],
        "garbage": content + b"garbage",
        "flipped": content[:-3] + bytes([content[-3] ^ 255]) + content[-2:],
        "other": b"text,label\na,1\nb,0\n",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(UnreadableSource, match=rf"s\.csv\.{ending} is no proper {kind} file, or was cut off"):
        read(path, batch_size=100_000)


@pytest.mark.parametrize("ending", ["gz", "zst"])
@pytest.mark.parametrize("line", [b"same text " * 1000 + b",1\n", b"no line end "])
def test_a_bomb_is_told_long_before_its_end(ending, line, tmp_path):
    """A gigabyte in a megabyte (gzip) or in less (zstd)."""
    path = tmp_path / f"s.csv.{ending}"
    with pa.CompressedOutputStream(str(path), {"gz": "gzip", "zst": "zstd"}[ending]) as stream:
        stream.write(b"text,label\n")
        for _ in range(300):
            stream.write(line * (1_000_000 // len(line)))
    assert path.stat().st_size < 1_500_000
    with pytest.raises(
        UnreadableSource, match=rf"s\.csv\.{ending} holds more than \d+ MB, over 100 times|longer than 128"
    ):
        read(path, batch_size=4096)


@as_a_user
def test_a_compressed_file_without_permission_is_told(tmp_path):
    path = compress(write_delimited(tmp_path), "gz")
    path.chmod(0)
    with pytest.raises(UnreadableSource, match=r"s\.csv\.gz cannot be read: Permission denied"):
        read(path)
