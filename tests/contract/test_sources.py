"""Every layout, fed with whatever there may be in files: it reads what a real writer wrote, or says why not.

At least 2,000 generated inputs a layout: arbitrary bytes, tables that a real tool wrote, and damaged files.
"""

import contextlib
import csv
import functools
import gzip
import io
import json
import math
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textmill.artifacts import RAW
from textmill.data.sources import SOURCES, Columns, Options, Place, open_source
from textmill.errors import UserError

os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
BYTES, TABLES, DAMAGES = 800, 550, 700  # inputs for each layout, 2,050 together
COLUMNS = Columns("text", "label")
BOM = "\ufeff"


def quickly(num_examples):
    """The same inputs at each run: a new find is for whoever looks for one, not for whoever happens to run CI."""
    return settings(
        max_examples=num_examples,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def read(path, columns=COLUMNS, header=True, batch_size=3):
    """The documents, all of which must fit into the table that ingest writes."""
    reading = open_source(Place.of(path), columns, None, Options(header))
    rows = []
    for batch in reading.documents(batch_size):
        table = pa.Table.from_pandas(batch, schema=RAW, preserve_index=False)
        assert len(batch) <= batch_size
        rows += table.to_pylist()
    assert reading.num_rows == reading.num_matching == len(rows) == sum(reading.labels.values())
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["origin"] for row in rows}) == len(rows)
    return rows


def values(rows):
    return [(row["text"], row["label"]) for row in rows]


# Writers: each writes (text, label) rows with a real tool, and says what must come back.


def as_found(value):
    """How a value is told as text: by the rules of sources/values.py, said once more."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_cells(rows, lineterminator):
    """As csv writes them: where rows end in a bare line feed it quotes no carriage return, and a last one is lost."""
    cells = [tuple("" if value is None else str(value) for value in row) for row in rows]
    return cells if "\r" in lineterminator else [(text, label.rstrip("\r")) for text, label in cells]


def write_csv(rows, folder, suffix=".csv", **dialect):
    text = io.StringIO(newline="")
    cells = as_cells(rows, dialect.get("lineterminator", "\r\n"))
    if suffix == ".tsv":  # whether quotes of a tab-separated file hold lines together is open to doubt
        dialect["delimiter"] = "\t"
        cells = [tuple(cell.replace("\n", " ") for cell in row) for row in cells]
    csv.writer(text, **dialect).writerows([("text", "label"), *cells])
    return save(text.getvalue().encode(), folder / f"s{suffix}"), cells


def write_jsonl(rows, folder, suffix=".jsonl", ensure_ascii=True):
    lines = (json.dumps({"text": text, "label": label}, ensure_ascii=ensure_ascii) for text, label in rows)
    return save("".join(f"{line}\n" for line in lines).encode(), folder / f"s{suffix}"), [
        (text, as_found(label)) for text, label in rows
    ]


def write_parquet(rows, folder, compression="zstd", text_type=None):
    labels = [label for _, label in rows]
    try:
        column = pa.array(labels)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # mixed types are no column: as text, then
        labels = [as_found(label) for label in labels]
        column = pa.array(labels, pa.string())
    texts = pa.array([text for text, _ in rows], pa.string()).cast(text_type or pa.string())
    table = pa.table({"text": texts, "label": column})
    pq.write_table(table, folder / "s.parquet", compression=compression, row_group_size=4)
    written = zip([text for text, _ in rows], column.to_pylist(), strict=True)
    return folder / "s.parquet", [(text, as_found(label)) for text, label in written]


def write_orange(rows, folder, suffix=".tab", types="discrete", lineterminator="\r\n"):
    """As Orange's own TabReader.write does: the csv module with tabs, below three lines."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator=lineterminator)
    cells = as_cells(rows, lineterminator)
    writer.writerows([("text", "label"), ("string", types), ("meta", "class"), *cells])
    missing = {"", "?", ".", "~", "NA", "nan"}
    return save(text.getvalue().encode(), folder / f"s{suffix}"), [
        (text, None if label.strip() in missing else label) for text, label in cells if text or label
    ]


def write_folders(rows, folder, suffix=".txt"):
    """A class needs a name that a folder can have."""
    shutil.rmtree(folder / "s", ignore_errors=True)
    (folder / "s").mkdir()
    expected = []
    for number, (text, label) in enumerate(rows):
        name = f"class {label}".replace("/", "-").replace("\0", "-")[:50].encode()[:200].decode(errors="ignore")
        (folder / "s" / name).mkdir(parents=True, exist_ok=True)
        save((text or "").encode(), folder / "s" / name / f"{number}{suffix}")
        expected.append(((text or "").removeprefix(BOM), name))
    return folder / "s", expected


def write_dataset(rows, folder, as_dict=False):
    from datasets import Dataset, DatasetDict

    labels = [as_found(label) for _, label in rows]
    dataset = Dataset.from_dict({"text": [text for text, _ in rows], "label": labels})
    shutil.rmtree(folder / "s", ignore_errors=True)
    (DatasetDict(train=dataset) if as_dict else dataset).save_to_disk(folder / "s")
    return folder / "s", list(zip((text for text, _ in rows), labels, strict=True))


def save(content, path):
    suffix = path.suffix
    path.write_bytes({".gz": gzip.compress, ".zst": zstd}.get(suffix, bytes)(content))
    return path


def zstd(content):
    stream = pa.BufferOutputStream()
    with pa.CompressedOutputStream(stream, "zstd") as compressed:
        compressed.write(content)
    return stream.getvalue().to_pybytes()


CSV_DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;|"),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "suffix": st.sampled_from([".csv", ".CSV", ".tsv", ".csv.gz", ".csv.zst"]),
    }
)
WRITERS = {
    "delimited": (write_csv, CSV_DIALECTS),
    "jsonl": (
        write_jsonl,
        st.fixed_dictionaries(
            {"suffix": st.sampled_from([".jsonl", ".ndjson", ".jsonl.gz", ".jsonl.zst"]), "ensure_ascii": st.booleans()}
        ),
    ),
    "parquet": (
        write_parquet,
        st.fixed_dictionaries(
            {
                "compression": st.sampled_from(["none", "snappy", "zstd"]),
                "text_type": st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
            }
        ),
    ),
    "orange_tab": (
        write_orange,
        st.fixed_dictionaries(
            {
                "suffix": st.sampled_from([".tab", ".tab.gz", ".tab.zst"]),
                "types": st.sampled_from(["d", "discrete", "categorical", "ham spam", ""]),
                "lineterminator": st.sampled_from(["\n", "\r\n"]),
            }
        ),
    ),
    "folder_per_class": (write_folders, st.fixed_dictionaries({"suffix": st.sampled_from(["", ".txt", ".txt.gz"])})),
    "hf_folder": (write_dataset, st.fixed_dictionaries({"as_dict": st.booleans()})),
}
TEXTS = (
    st.text(max_size=30)
    | st.text(alphabet="a \"',;|\t\n\r\\\0\x0b\x0c\x1c\x85\u2028\ufeff\x1b<é日😀", max_size=20)
    | st.sampled_from(["", " ", '"', '""', "\n", "NA", "null", "nan", "text", "a,b", "a;b|c", "\ufeffx", "=1+1"])
)
LABELS = (
    st.sampled_from(["ham", "spam", "", "?", "NA", "0", "1.0", "true", " x ", None, True, False])
    | st.integers(-3, 3)
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=True)
    | TEXTS
)
ROWS = st.lists(st.tuples(TEXTS | st.none(), LABELS), max_size=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sources")


def test_every_layout_has_a_writer():
    assert WRITERS.keys() == SOURCES.keys()


@pytest.mark.parametrize("layout", SOURCES)
def test_what_a_real_tool_wrote_comes_back(layout, folder):
    write, options = WRITERS[layout]
    num_inputs = num_read = 0

    @quickly(TABLES)
    @given(rows=ROWS, options=options, batch_size=st.integers(1, 4))
    def check(rows, options, batch_size):
        nonlocal num_inputs, num_read
        num_inputs += 1
        path, expected = write(rows, folder, **options)
        has_nul = layout in ("delimited", "orange_tab", "folder_per_class") and any(
            "\0" in (value or "") for row in expected for value in row
        )
        if not expected or has_nul:
            with pytest.raises(UserError, match="NUL byte" if has_nul else "empty"):
                read(path)
            return
        found = values(read(path, batch_size=batch_size))
        assert (
            sorted(found, key=str) == sorted(expected, key=str) if layout == "folder_per_class" else found == expected
        )
        num_read += 1

    check()
    assert num_inputs >= TABLES and num_read > TABLES / 2


PLAIN = st.text(alphabet="abc éß日.!' ", min_size=1, max_size=12).filter(lambda text: text.strip())


def test_tables_without_a_header_come_back(folder):
    @quickly(300)
    @given(
        rows=st.lists(st.tuples(PLAIN, PLAIN, PLAIN), min_size=1, max_size=6),
        delimiter=st.sampled_from(",;|\t"),
        quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    def check(rows, delimiter, quoting):
        with (folder / "s.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(rows)
        assert values(read(folder / "s.csv", Columns(2, 0), header=False)) == [(row[2], row[0]) for row in rows]

    check()


@pytest.mark.parametrize("layout", ["jsonl", "parquet", "hf_folder"])
def test_any_names_of_columns_are_kept_or_told(layout, folder):
    from datasets import Dataset

    reserved = st.sampled_from(["(origin)", "(split)", "text", "1", "index", "a b", ""])
    names = st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | reserved,
        min_size=2,
        max_size=4,
        unique=True,
    )

    @quickly(150)
    @given(names=names)
    def check(names):
        table = {name: [f"value {number}"] for number, name in enumerate(names)}
        path = folder / f"s.{layout}"
        if layout == "jsonl":
            path.write_text(json.dumps({name: value for name, (value,) in table.items()}), encoding="utf-8")
        elif layout == "parquet":
            pq.write_table(pa.table(table), path)
        else:
            shutil.rmtree(path, ignore_errors=True)
            Dataset.from_dict(table).save_to_disk(path)
        columns = Columns(names[-1], 0)
        if {"(origin)", "(split)"} & {*names}:
            with pytest.raises(UserError, match="has a meaning of its own here"):
                read(path, columns)
        else:
            assert values(read(path, columns)) == [(f"value {len(names) - 1}", "value 0")]

    check()


# Arbitrary content in files of the right name.

FRAGMENTS = st.sampled_from(
    [
        *(b"text,label\n", b"text\tlabel\n", b"text\tlabel\nstring\td\nmeta\tclass\n", b'{"text": "a", "label": 1}\n'),
        *(b'{"text": "', b'"}\n', b'"label": ', b"null", b"[", b"]", b"{", b"}", b"\\ud83d", b"1e999", b"NaN"),
        *(b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r", b"\\", b"\0", b" ", b"a", b"label", b"0.5"),
        *(
            "é".encode(),
            "日本".encode(),
            "é".encode("latin-1"),
            "日本".encode("cp932"),
            b"\x80",
            b"\xff\xfe",
            b"\xfe\xff",
        ),
        *(b"\xef\xbb\xbf", b"\xff\xfe\0\0", "text,label\na,b\n".encode("utf-16"), b"\xed\xa0\x80", b"\x1b[2J", b"\x0c"),
        *(b"PAR1", b"ARROW1", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", gzip.compress(b"text,label\na,b\n")),
    ]
)
CONTENT = st.binary(max_size=80) | st.lists(FRAGMENTS | st.binary(max_size=4), max_size=25).map(b"".join)
ENVELOPES = {  # what surrounds arbitrary bytes, so that they reach the reader of the layout
    "delimited": st.sampled_from([(b"", b""), (b"text,label\n", b""), (b"text\tlabel\n", b"")]),
    "jsonl": st.sampled_from([(b"", b""), (b'{"text": "a", "label": 1}\n', b""), (b'{"text": "', b'"}\n')]),
    "parquet": st.sampled_from([(b"", b""), (b"PAR1", b"PAR1"), (b"PAR1", b"\x10\0\0\0PAR1")]),
    "orange_tab": st.sampled_from(
        [
            (b"text\tlabel\nstring\td\nmeta\tclass\n", b""),
            (b"text\tlabel\ns\tham spam\n\tc\n", b"\n"),
            (b"", b"\ts\n\n"),
        ]
    ),
    "folder_per_class": st.just((b"", b"")),
    "hf_folder": st.just((b"", b"")),
}
SUFFIXES = {
    "delimited": [".csv", ".tsv", ".tab", ".csv.gz", ".tsv.zst"],
    "jsonl": [".jsonl", ".ndjson", ".jsonl.gz", ".jsonl.zst"],
    "parquet": [".parquet", ".pq"],
    "orange_tab": [".tab", ".tab.gz", ".tab.zst"],
    "folder_per_class": ["", ".txt", ".txt.gz", ".html"],
    "hf_folder": ["data-00000-of-00001.arrow", "state.json", "dataset_info.json"],
}


@pytest.fixture(scope="module")
def saved_dataset(tmp_path_factory):
    return write_dataset([("a", "x"), ("b", None)], tmp_path_factory.mktemp("saved"))[0]


@pytest.mark.parametrize("layout", SOURCES)
def test_arbitrary_bytes_are_read_or_told(layout, folder, saved_dataset):
    num_inputs = 0

    @quickly(BYTES)
    @given(
        content=CONTENT,
        envelope=ENVELOPES[layout],
        suffix=st.sampled_from(SUFFIXES[layout]),
        compressed=st.booleans(),
        header=st.booleans(),
    )
    def check(content, envelope, suffix, compressed, header):
        nonlocal num_inputs
        num_inputs += 1
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        content = envelope[0] + content + envelope[1]
        path = folder / f"s{suffix}"
        if layout == "folder_per_class":
            path = folder / "s" / "a" / f"1{suffix}"
            path.parent.mkdir(parents=True)
            (folder / "s" / "b").mkdir()
            (folder / "s" / "b" / "2.txt").write_text("Another text.")
        if layout == "hf_folder":
            shutil.copytree(saved_dataset, folder / "s")
            path = folder / "s" / suffix
        if compressed:
            save(content, path)
        else:
            path.write_bytes(content)
        source = folder / "s" if layout in ("folder_per_class", "hf_folder") else path
        for columns in (COLUMNS, Columns(0, 0)):
            with contextlib.suppress(UserError):
                read(source, columns, header)

    check()
    assert num_inputs >= BYTES


# Files that were fine before something happened to them.

SEED_ROWS = [
    ("Smart, funny\nand moving", "pos"),
    ("Größe 日本 " * 5, "neg"),
    ('a "quote"', "pos"),
    ("Dull.", "neg"),
] * 3


@functools.cache
def sound_files(layout, parent):
    """Folders with one sound source each, and the file in it that is to be damaged."""
    found = []
    write = WRITERS[layout][0]
    variants = {
        "delimited": [{"suffix": ".csv"}, {"suffix": ".csv.gz"}, {"suffix": ".csv.zst"}],
        "jsonl": [{"suffix": ".jsonl"}, {"suffix": ".jsonl.gz"}, {"suffix": ".jsonl.zst"}],
        "parquet": [{"compression": "none"}, {"compression": "snappy"}, {"compression": "zstd"}],
        "orange_tab": [{"suffix": ".tab"}, {"suffix": ".tab.gz"}, {"suffix": ".tab.zst"}],
        "folder_per_class": [{"suffix": ".txt"}, {"suffix": ".txt.gz"}],
        "hf_folder": [{}, {"as_dict": True}],
    }
    for number, options in enumerate(variants[layout]):
        place = parent / f"{layout}-{number}"
        place.mkdir()
        path, expected = write(SEED_ROWS, place, **options)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        found += [(path, file, file.read_bytes(), expected) for file in files]
    return found


def damage(content, cut, flips):
    """Cut off at a share of the length, then some bytes changed."""
    changed = bytearray(content[: round(cut * len(content))])
    for place, mask in flips:
        if changed:
            changed[round(place * (len(changed) - 1))] ^= mask
    return bytes(changed)


FLIPS = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=3)


@pytest.mark.parametrize("layout", SOURCES)
def test_damaged_files_are_read_or_told(layout, folder, tmp_path_factory):
    files = sound_files(layout, tmp_path_factory.mktemp("sound"))
    num_inputs = 0

    @quickly(DAMAGES)
    @given(number=st.integers(0, len(files) - 1), cut=st.just(1.0) | st.floats(0, 1), flips=FLIPS)
    def check(number, cut, flips):
        nonlocal num_inputs
        num_inputs += 1
        source, file, content, expected = files[number]
        damaged = damage(content, cut, flips)
        file.write_bytes(damaged)
        found = None
        try:
            found = values(read(source))
        except UserError:
            pass
        finally:
            file.write_bytes(content)
        if damaged == content:
            assert sorted(found, key=str) == sorted(expected, key=str)
        elif file.suffix == ".gz" and damaged[:1] and found is not None:
            # gzip has a checksum of its content: what can be read is what was written.
            assert gzip.decompress(damaged) == gzip.decompress(content)
        elif file.suffix in (".gz", ".zst", ".parquet") and damaged and content.startswith(damaged):
            assert found is None  # a part is no whole

    check()
    assert num_inputs >= DAMAGES
