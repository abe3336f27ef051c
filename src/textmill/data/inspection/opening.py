"""Opens a source to look at: its splits, its layout, and whether a header line names its columns."""

from collections.abc import Iterator
from dataclasses import dataclass

from textmill.data.inspection.given_splits import find_given_splits
from textmill.data.inspection.headers import guess_header
from textmill.data.sources import BATCH_SIZE, Options, Place, Source, locate, open_layout
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import walk

NUM_HEADER_ROWS = 1000
DELIMITED = "delimited"


@dataclass(frozen=True)
class Opened:
    """A source and how it is read.

    Attributes:
        sources: what data.source would be: the source of each given split, or the only one under None.
        parts: place and opened source of each split; a snapshot of the hub may have splits where `sources` has one.
        header: whether the first line names the columns, None where the layout says the names itself.
        columns: names of the columns, the same in all parts.
    """

    sources: dict[str | None, str]
    parts: dict[str | None, tuple[Place, Source]]
    layout: str
    header: bool | None
    header_reason: str | None
    columns: list[str]

    def reference(self, column: str) -> str | int:
        """How params.yaml names a column: by position where no header names it."""
        return self.columns.index(column) if self.header is False else column

    @property
    def num_bytes(self) -> int:
        """Size of all files, as they lie on disk."""
        files = [
            file
            for place, _ in self.parts.values()
            for file in (*place.files, *(file for folder in place.folders for file in walk(place, folder)))
        ]
        return sum(file.stat().st_size for file in files)


def open_parts(uri: str, header: bool | None) -> Opened:
    """Open what data.source would name; `header` None guesses whether there is one.

    Raises: UserError: it is not there, or cannot be read.
    """
    sources = find_given_splits(uri)
    places = locate(sources)
    reason = "you said so"
    if header is None:
        header, reason = _find_header(next(iter(places.values())))
    options = Options(header=header)
    opened = {split: (place, *open_layout(place, options)) for split, place in places.items()}
    columns = [list(_columns_of(source)) for _, _, source in opened.values()]
    layouts = {layout for _, layout, _ in opened.values()}
    if len(sources) > 1 and (len(layouts) > 1 or any(names != columns[0] for names in columns)):
        # Files that differ are no splits of one another, whatever their names.
        sources, places = {None: uri}, locate({None: uri})
        opened = {split: (place, *open_layout(place, options)) for split, place in places.items()}
        columns = [list(_columns_of(source)) for _, _, source in opened.values()]
    layout = next(iter(opened.values()))[1]
    is_delimited = layout == DELIMITED
    return Opened(
        sources,
        {split: (place, source) for split, (place, _, source) in opened.items()},
        layout,
        header if is_delimited else None,
        reason if is_delimited else None,
        list(dict.fromkeys(name for names in columns for name in names)),
    )


def _find_header(place: Place) -> tuple[bool, str]:
    """Without a header the first row is one like the others, and shows what it is."""
    layout, _ = open_layout(place, Options(header=True))
    if layout != DELIMITED:
        return True, ""
    try:
        _, source = open_layout(place, Options(header=False))
        first = next(source.batches(NUM_HEADER_ROWS), None)
    except UnreadableSource:
        return True, "without one, its lines do not fit each other"
    return guess_header([] if first is None else first[source.columns].fillna("").astype(str).to_numpy().tolist())


def _columns_of(source: Source) -> Iterator[str]:
    if not source.complete:
        for _ in source.batches(BATCH_SIZE):
            pass
    yield from source.columns
