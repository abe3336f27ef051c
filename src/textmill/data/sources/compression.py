"""Opens a file, plain or compressed with gzip or zstd, as a stream of bytes that cannot fill the memory or the disk."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from textmill.data.sources.errors import UnreadableSource
from textmill.data.sources.files import unreadable

# Text shrinks to a third or a tenth, repetitive JSON to a thirtieth; gzip can reach 1:1032, zstd 1:30,000.
MAX_RATIO = 100
ALWAYS_ALLOWED_BYTES = 64_000_000
BUFFER_BYTES = 1 << 20


def open_binary(path: Path) -> BinaryIO:
    """The content of a file; what ends in .gz or .zst is decompressed on the way.

    Raises: UnreadableSource: it cannot be opened. Reading from the stream raises it as well: the compressed data are
        cut off or damaged, or hold more than MAX_RATIO times their size (and more than ALWAYS_ALLOWED_BYTES).
    """
    try:
        return io.BufferedReader(_Stream(path), BUFFER_BYTES)
    except OSError as error:
        raise unreadable(path, error) from None


class _Stream(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        self.stream: Any = None  # what `close` finds where opening fails
        self.path = path
        self.num_bytes = 0
        self.max_bytes = max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * path.stat().st_size)
        self.compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
        self.stream = _open(path, self.compression)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        block = self._read(len(view))
        view[: len(block)] = block
        self.num_bytes += len(block)
        if self.compression and self.num_bytes > self.max_bytes:
            raise UnreadableSource(
                f"{self.path} holds more than {self.max_bytes / 1e6:.0f} MB, over {MAX_RATIO} times its compressed "
                "size: reading stopped, because texts do not shrink like that. If the file is as it should be, "
                "decompress it yourself and name the plain file."
            )
        return len(block)

    def _read(self, size: int) -> bytes:
        try:
            return bytes(self.stream.read(size))
        except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
            if not self.compression:
                raise unreadable(self.path, error) from None  # type: ignore[arg-type]  # only OSError without one
            raise UnreadableSource(
                f"{self.path} is no proper {self.compression} file, or was cut off: {error}. Fetch or compress it anew."
            ) from None

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
        super().close()


def _open(path: Path, compression: str | None) -> Any:
    if compression == "gzip":
        return gzip.open(path, "rb")
    if compression == "zstd":
        import pyarrow as pa

        # An Arrow file of its own would say a missing permission in other words.
        return pa.CompressedInputStream(pa.PythonFile(path.open("rb"), "r"), "zstd")
    return path.open("rb", buffering=0)
