"""Text files in whatever encoding they are: a byte order mark first, else UTF-8, else detection.

Detection asks charset-normalizer about the lines that are not UTF-8 alone: in a long text with one
foreign byte the rest says nothing. A file may mix UTF-8 lines with others; none loses a character.
"""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from textmill.data.sources.compression import BUFFER_BYTES, open_binary
from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import Place

UTF8 = "utf-8"
MAX_LINE_BYTES = 1 << 27  # 128 MiB: more is no document, and a file without line ends must not fill the memory
MARKS = {  # the longer marks first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Those that the web's encoding standard knows; the rest only make short samples ambiguous.
ONE_BYTE = [f"cp125{digit}" for digit in range(9)] + [
    "cp866",
    "koi8_r",
    "koi8_u",
    "mac_roman",
    "iso8859_2",
    "iso8859_5",
]
MANY_BYTES = ["cp932", "gb18030", "big5", "cp949", "euc_jp"]
COMMONEST = "cp1252"
BONUS = 0.05  # for the commonest, on scores between -1 and 1: it decides where the rest is as good as equal
HIGH = re.compile(rb"[\x80-\xff]+")
SAMPLE_BYTES = 65536
WINDOW_BYTES = 200


class TextFile:
    """The lines of a file, plain or compressed, in the encoding that they turn out to have.

    `encoding` is UTF-8 until `lines` has met something else; of a file that is UTF-8 but for some lines, it is the
    encoding of those.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding = UTF8

    def lines(self) -> Iterator[str]:
        """Yield the lines, which end in a line feed alone; line ends are kept.

        Raises: UnreadableSource: the file is binary, a line is longer than MAX_LINE_BYTES, or no encoding fits.
        """
        with open_binary(self.path) as stream:
            mark = _find_mark(stream)
            if mark is not None:
                self.encoding = mark
                yield from self._marked_lines(stream)
                return
            for number, block in _blocks(stream, self.path):
                try:
                    lines = _split(block.decode())
                except UnicodeDecodeError as error:
                    if self.encoding == UTF8:
                        self.encoding = _detect(self.path, number + block.count(b"\n", 0, error.start))
                    lines = self._mixed_lines(block, number)
                yield from lines

    def _marked_lines(self, stream: BinaryIO) -> Iterator[str]:
        text = io.TextIOWrapper(stream, encoding=self.encoding, newline="\n")
        number = 0
        try:
            while line := text.readline(MAX_LINE_BYTES):
                number += 1
                if len(line) == MAX_LINE_BYTES:
                    raise _too_long(self.path, number)
                if "\0" in line:
                    raise _binary(self.path, number)
                yield line
        except UnicodeError as error:
            raise UnreadableSource(
                f"{self.path} begins with the mark of {self.encoding}, but is not all in it, or was cut off: {error}. "
                "Save the file as UTF-8."
            ) from None

    def _mixed_lines(self, block: bytes, number: int) -> Iterator[str]:
        """The lines of a block that has some which are not UTF-8."""
        for place, line in enumerate(io.BytesIO(block), number):
            try:
                yield line.decode()
            except UnicodeDecodeError:
                try:
                    yield line.decode(self.encoding)
                except UnicodeDecodeError:
                    raise UnreadableSource(
                        f"{self.path}, line {place}, is neither UTF-8 nor {self.encoding}, the encoding found for the "
                        "rest. Save the file as UTF-8."
                    ) from None


def list_re_encoded(place: Place, texts: Iterable[TextFile]) -> list[dict[str, str]]:
    """Name and encoding of the files that are not UTF-8; complete after a pass over their lines."""
    return [{"file": place.name(text.path), "encoding": text.encoding} for text in texts if text.encoding != UTF8]


def _find_mark(stream: BinaryIO) -> str | None:
    """The encoding that a byte order mark says; the mark of UTF-8 is passed over."""
    head = stream.peek(4)  # type: ignore[attr-defined]  # open_binary gives a buffered reader
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return None


def _blocks(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about a megabyte at a time, so that they are decoded at once, and the number of the first."""
    number = 1
    size = 0
    pieces: list[bytes] = []
    while piece := stream.read(BUFFER_BYTES):
        if b"\0" in piece:
            raise _binary(path, number + piece[: piece.index(b"\0")].count(b"\n"))
        end = piece.rfind(b"\n") + 1
        if end:
            block = b"".join([*pieces, piece[:end]])
            yield number, block
            number += block.count(b"\n")
            pieces, size = [], 0
        pieces.append(piece[end:])
        size += len(piece) - end
        if size > MAX_LINE_BYTES:
            raise _too_long(path, number)
    if size:
        yield number, b"".join(pieces)


def _split(text: str) -> Iterator[str]:
    """Lines by their line feeds; str.splitlines would also cut at form feeds and the like."""
    start = 0
    while end := text.find("\n", start) + 1:
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _binary(path: Path, number: int) -> UnreadableSource:
    return UnreadableSource(
        f"{path}, line {number}, holds a NUL byte: it is not a text file, or damaged. If it is UTF-16, save it as "
        "UTF-8; if it is no document, move it out of the source; a stray one goes with `tr -d '\\000'`."
    )


def _too_long(path: Path, number: int) -> UnreadableSource:
    return UnreadableSource(
        f"{path}, line {number}, is longer than {MAX_LINE_BYTES >> 20} MB. A line that long is no document: "
        "the file lacks line ends, or is not of the kind that its name says."
    )


def _detect(path: Path, first: int) -> str:
    """The encoding of the lines that are not UTF-8, from the line `first` on. Raises: UnreadableSource: none fits."""
    sample: list[bytes] = []
    size = 0
    with open_binary(path) as stream:
        for window in (window for _, block in _blocks(stream, path) for window in _foreign_windows(block)):
            sample.append(window)
            size += len(window)
            if size > SAMPLE_BYTES:
                break
    encoding = _guess(b"\n".join(sample))
    if encoding is None:
        raise UnreadableSource(
            f"{path}, line {first}, is not UTF-8, and no other encoding fits. Save the file as UTF-8."
        )
    return encoding


def _foreign_windows(block: bytes) -> Iterator[bytes]:
    """What surrounds the first byte of each line that is not UTF-8."""
    try:
        block.decode()
    except UnicodeDecodeError:
        for line in io.BytesIO(block):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                yield line[max(0, error.start - WINDOW_BYTES) : error.end + WINDOW_BYTES]


def _guess(sample: bytes) -> str | None:
    """The likeliest encoding: least mess, most language; None if none fits at all."""
    from charset_normalizer import from_bytes

    # Letters of East Asia come in a row; a lone byte between ASCII is an accent, a quote or a currency sign.
    num_high = sum(map(len, HIGH.findall(sample)))
    num_in_row = sum(len(run) for run in HIGH.findall(sample) if len(run) > 1)
    candidates = ONE_BYTE + MANY_BYTES if num_in_row > num_high / 2 else ONE_BYTE
    scores = {}
    for match in from_bytes(sample, cp_isolation=candidates):
        # Encodings that read the sample alike come as one match; Windows-1252 speaks for its group.
        name = COMMONEST if COMMONEST in match.could_be_from_charset else match.encoding
        scores[name] = match.coherence - match.chaos + BONUS * (name == COMMONEST)
    return max(scores, key=lambda name: (scores[name], name == COMMONEST)) if scores else None
