"""Text files in whatever encoding they are: a byte order mark first, else UTF-8, else detection.

Detection asks charset-normalizer about the lines that are not UTF-8 alone: in a long text with one
foreign byte the rest says nothing. A file may mix UTF-8 lines with others; none loses a character.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from textmill.data.sources.errors import UnreadableSource

UTF8 = "utf-8"
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


def detect_encoding(path: Path) -> str:
    """Name of a file's encoding; of a file that is UTF-8 but for some lines, the encoding of those.

    Raises: UnreadableSource: the file is binary, or no encoding fits.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
        for mark, name in MARKS.items():
            if head.startswith(mark):
                return name
        if b"\0" in head:
            raise UnreadableSource(
                f"{path} is not a text file: it holds NUL bytes. If it is UTF-16, save it as UTF-8; if it is no "
                "document, move it out of the source."
            )
        _skip_utf8_mark(file)
        sample = _foreign_sample(file)
    return _guess(sample, path) if sample else UTF8


def decode_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a file in the encoding that `detect_encoding` gave, line ends kept.

    Raises: UnreadableSource: a line fits neither UTF-8 nor the encoding.
    """
    if encoding in MARKS.values():
        try:
            with path.open(encoding=encoding, newline="") as text:
                yield from text
        except UnicodeError as error:
            raise UnreadableSource(
                f"{path} begins with the mark of {encoding}, but is not all in it, or was cut off: {error}. "
                "Save the file as UTF-8."
            ) from None
        return
    with path.open("rb") as file:
        _skip_utf8_mark(file)
        for number, line in enumerate(file, 1):
            try:
                yield line.decode()
            except UnicodeDecodeError:
                try:
                    yield line.decode(encoding)
                except UnicodeDecodeError:
                    raise UnreadableSource(
                        f"{path}, line {number}, is neither UTF-8 nor {encoding}, the encoding found for the rest. "
                        "Save the file as UTF-8."
                    ) from None


def _skip_utf8_mark(file: BinaryIO) -> None:
    file.seek(0)
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)


def _foreign_sample(lines: Iterable[bytes]) -> bytes:
    """What surrounds the bytes that are not UTF-8, up to SAMPLE_BYTES."""
    sample: list[bytes] = []
    size = 0
    for line in lines:
        try:
            line.decode()
        except UnicodeDecodeError as error:
            window = line[max(0, error.start - WINDOW_BYTES) : error.end + WINDOW_BYTES]
            sample.append(window)
            size += len(window)
            if size > SAMPLE_BYTES:
                break
    return b"\n".join(sample)


def _guess(sample: bytes, path: Path) -> str:
    """The likeliest encoding: least mess, most language."""
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
    if not scores:
        raise UnreadableSource(f"{path} is not UTF-8, and no other encoding fits. Save it as UTF-8.")
    return max(scores, key=lambda name: (scores[name], name == COMMONEST))
