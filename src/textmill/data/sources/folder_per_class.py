"""A folder per class, a text file per document: `sports/001.txt` is a document labelled `sports`."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from textmill.data.sources.encodings import UTF8, decode_lines, detect_encoding
from textmill.data.sources.files import ORIGIN


class FolderPerClass:
    """The label is the folder's name; files in folders below it belong to it too. Hidden files are no documents."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = ["text", "label"]
        self.re_encoded: list[dict[str, str]] = []
        self.files = [file for folder in _class_folders(path) for file in sorted(folder.rglob("*")) if _is_text(file)]
        self.num_files = len(self.files)
        self.ignored = sorted(file.name for file in path.iterdir() if _is_text(file))

    @staticmethod
    def fits(path: Path) -> bool:
        return path.is_dir() and bool(_class_folders(path))

    def batches(self, batch_size: int) -> Iterator[pd.DataFrame]:
        for start in range(0, self.num_files, batch_size):
            files = self.files[start : start + batch_size]
            names = [file.relative_to(self.path) for file in files]
            yield pd.DataFrame(
                {
                    "text": [self._read(file) for file in files],
                    "label": [name.parts[0] for name in names],
                    ORIGIN: [name.as_posix() for name in names],
                }
            )

    def _read(self, file: Path) -> str:
        encoding = detect_encoding(file)
        if encoding != UTF8:
            self.re_encoded.append({"file": file.relative_to(self.path).as_posix(), "encoding": encoding})
        return "".join(decode_lines(file, encoding))


def _class_folders(path: Path) -> list[Path]:
    return sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith((".", "__pycache__"))
    )


def _is_text(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.suffix != ".pyc"
