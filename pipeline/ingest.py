"""Read the source, whatever its layout, into one table.

Reads: data.source (paths, files of installed distributions, data sets of the Hub), data.label_corrections.
Writes: data/raw/documents.parquet (id, text, label, origin, split, group, time, slices), data/raw/source.json
    (provenance, counts), data/raw/corrections.parquet (id, label, corrected).
Params: data, task.
"""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import Params, Paths, main
from textmill.artifacts import CORRECTIONS, RAW, sha256, with_slices, write_json, write_table
from textmill.assets import provenance_of_all

if TYPE_CHECKING:
    import pandas as pd

    from textmill.data.sources import Reading

NUM_NAMED = 10  # files or classes that the console names; source.json has all


def run(params: Params, paths: Paths) -> None:
    from textmill.data.sources import Columns, Options, locate, open_source

    data = params.data
    corrections = _read_corrections(data.label_corrections)
    columns = Columns(data.text, data.label, data.split, data.group, data.time, tuple(data.slices))
    places = locate(data.sources, data.label_corrections)
    reading = open_source(places, columns, data.where, Options(data.header), params.task, data.label_separator)
    _write_documents(reading, paths.raw_documents)
    _check_ids(corrections, reading, data.label_corrections)
    write_table(paths.corrections, corrections, CORRECTIONS)
    record = {**provenance_of_all(data.sources), **reading.record(), "label_corrections": None}
    if data.label_corrections is not None:
        digest = sha256(Path(data.label_corrections))
        record["label_corrections"] = {"file": data.label_corrections, "sha256": digest, "num": len(corrections)}
    write_json(paths.source, record)
    _tell(record, params.task)


def _read_corrections(file: str | None) -> "pd.DataFrame":
    import pandas as pd

    from textmill.data.corrections import read_corrections

    return pd.DataFrame(columns=CORRECTIONS.names, dtype="str") if file is None else read_corrections(Path(file))


def _write_documents(reading: "Reading", path: Path) -> None:
    from rich.console import Console
    from rich.progress import track

    batches = reading.documents()
    first = [batch for _, batch in zip(range(1), batches, strict=False)]  # after it, the slices are known
    console = Console(stderr=True)
    shown = track(
        chain(first, batches), "Reading batches", console=console, transient=True, disable=not console.is_terminal
    )
    write_table(path, shown, with_slices(RAW, reading.slice_columns))


def _check_ids(corrections: "pd.DataFrame", reading: "Reading", file: str | None) -> None:
    from textmill.data.corrections import UnusableCorrections

    unknown = [identifier for identifier in corrections["id"] if identifier not in reading.ids]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise UnusableCorrections(
            f"data.label_corrections ({file}) corrects documents that are not in data.source: {', '.join(unknown[:5])}"
            f"{more}. An id is made from the text: the texts were changed, data.where does not pick them any more, or "
            "the file belongs to other data. Remove these rows, or let `textmill labels review` write the file anew."
        )


def _tell(record: dict[str, Any], task: str) -> None:
    from textmill.data.sources.labels import MISSING

    num_labels = len(record["labels"].keys() - {MISSING})
    what = "" if task == "regression" else f" of {num_labels} labels"
    print(
        f"ingest: {record['num_documents']} documents{what} from "
        f"{record['rows_in_source']} rows ({record['layout']}, {len(record['re_encoded'])} files not in UTF-8)"
    )
    if record["given_splits"]:
        print("ingest: given splits: " + ", ".join(f"{name} {num}" for name, num in record["given_splits"].items()))
    for what, names in (("not read", record["ignored"]), ("classes without a document", record["empty_classes"])):
        if names:
            print(f"ingest: {what}: {', '.join(names[:NUM_NAMED])}{', ...' if len(names) > NUM_NAMED else ''}")
    if record["named_by_split"]:
        print(
            f"ingest: the files are named by split ({', '.join(record['named_by_split'][:NUM_NAMED])}), but are one "
            "source: to keep these splits, give data.source a mapping of train, validation and test"
        )


if __name__ == "__main__":
    main(run)
