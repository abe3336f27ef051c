"""Read the source, whatever its layout, into one table.

Reads: data.source (a path, or files of an installed distribution).
Writes: data/raw/documents.parquet (id, text, label, origin), data/raw/source.json (provenance, counts).
Params: data.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import RAW, write_json, write_table
from textmill.assets import provenance, resolve
from textmill.data.sources import open_source


def run(params: Params, paths: Paths) -> None:
    from rich.console import Console
    from rich.progress import track

    data = params.data
    reading = open_source(resolve(data.source), data.text, data.label, data.where)
    console = Console(stderr=True)
    batches = track(
        reading.documents(), "Reading batches", console=console, transient=True, disable=not console.is_terminal
    )
    num_documents = write_table(paths.raw_documents, batches, RAW)
    write_json(paths.source, {**provenance(data.source), **reading.record()})
    ignored = reading.source.ignored
    print(
        f"ingest: {num_documents} documents of {len(reading.labels)} labels from {reading.num_rows} rows "
        f"({reading.layout}, {len(reading.source.re_encoded)} files not in UTF-8)"
        + (f"; not read: {', '.join(ignored[:10])}{', ...' if len(ignored) > 10 else ''}" if ignored else "")
    )


if __name__ == "__main__":
    main(run)
