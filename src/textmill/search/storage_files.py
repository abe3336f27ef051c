"""Whether the file of a study is sound, before Optuna writes to it."""

import json
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

import psutil

from textmill.search.storage_errors import unusable

_TABLES = {"studies", "version_info"}  # of Optuna; another process may be making the others


def check_sqlite(file: Path, patience_s: float) -> None:
    """Raises: StorageUnusable: damaged, of another program, locked for longer than `patience_s`, or not to be written.

    A file that is not there, or is empty, is a new one.
    """
    url = f"sqlite:///{file}"
    _check_folder(file, url)
    if not file.exists():
        return
    try:
        connection = sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=patience_s)
        try:
            connection.execute("BEGIN IMMEDIATE")  # waits for who writes
            complaint = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise unusable(url, f"it has been locked for {patience_s:g} s{_tell_holders(file)}") from None
        raise unusable(url, str(error)) from None
    if complaint != "ok":
        raise unusable(url, f"the file is corrupt: {complaint}")
    if tables and not tables & _TABLES:
        reason = f"it is the database of another program, with tables {', '.join(sorted(tables)[:5])}"
        raise unusable(url, reason, "Name another file in tune.storage.")


def check_journal(file: Path) -> None:
    """Raises: StorageUnusable: a line is not JSON, the last one was written in part, or the file cannot be written."""
    url = f"journal:///{file}"
    _check_folder(file, url)
    if not file.exists():
        return
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not _is_record(line):
                torn = "" if line.endswith(b"\n") else ", which was written in part"
                advice = (
                    f"Make a copy of the file, then delete line {number}: one change of one trial is lost. Or put a "
                    "backup back, or name another file. Nothing in it was changed."
                )
                raise unusable(url, f"line {number} is no record of a journal{torn}", advice)


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n") and isinstance(record, dict) and "op_code" in record


def _check_folder(file: Path, url: str) -> None:
    folder = file.parent
    if not folder.is_dir():
        raise unusable(url, f"there is no folder {folder}", "Make it, or name another one.")
    if file.is_dir():
        raise unusable(url, "it is a folder", "Name a file in it.")
    if not os.access(file if file.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK | os.X_OK):
        # Beside the file, SQLite keeps its rollback journal and a journal file its lock.
        raise unusable(url, f"permission denied: {folder} and the file must be writable")


def _tell_holders(file: Path) -> str:
    """Which other processes have the file open, as far as this user may see."""
    holders = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if process.pid != os.getpid() and any(Path(opened.path) == file for opened in process.open_files()):
                holders.append(f"{process.info['name']} (process {process.pid})")
        except psutil.Error:
            continue
    return f"; {', '.join(holders)} {'has' if len(holders) == 1 else 'have'} it open" if holders else ""
