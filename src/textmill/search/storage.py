"""Where studies are kept: SQLite or a journal file on one machine, a database or Optuna's gRPC proxy for several."""

import importlib.util
import os
import random
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from textmill.paths import Paths
from textmill.search.storage_errors import StorageUnusable, hide_password, telling, unusable
from textmill.search.storage_files import check_journal, check_sqlite

VARIABLE = "TEXTMILL_STUDY_STORAGE"
FORMS = (
    "sqlite:///FILE, journal:///FILE, postgresql://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or grpc://HOST:PORT"
)
PATIENCE_S = 30.0  # for a lock on a file; a server must answer within a third of it

_INSTALL = "Install it: `pip install 'textmill[workers]'`."
_DRIVERS = {"postgresql": ("psycopg", _INSTALL), "mysql": ("pymysql", "Install it: `pip install pymysql`.")}
_RACES = 10  # of processes that make the tables at the same time
# Several machines: a session that lost its client must not keep its locks for the two hours that TCP takes by default.
_SESSION = {
    "statement_timeout": 60_000,
    "idle_in_transaction_session_timeout": 60_000,
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}
# The same for us: a server that the network no longer reaches is given up, in seconds and (the last) milliseconds.
_CONNECTION = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def storage_url(storage: str | None, paths: Paths) -> str:
    """The variable's value where it is set, else `tune.storage`, else optuna.db in the state root.

    Files are relative to the state root, which `dvc exp run --temp` shares with the checkout.

    Raises: StorageUnusable: the url has another form than `FORMS`.
    """
    url = os.environ.get(VARIABLE) or storage or f"sqlite:///{paths.study_database}"
    place = VARIABLE if os.environ.get(VARIABLE) else "tune.storage"
    scheme, separator, rest = url.partition("://")
    base, _, driver = scheme.partition("+")
    if not separator or base not in ("sqlite", "journal", "postgresql", "mysql", "grpc"):
        raise StorageUnusable(f"{place} is {hide_password(url)}, which is not of a known form: set null, or {FORMS}.")
    if base in ("sqlite", "journal"):
        file = rest.removeprefix("/")
        if not rest.startswith("/") or not file or file == ":memory:" or "?" in file:
            raise StorageUnusable(f"{place} is {url}, which names no file: write {base}:///FILE, without options.")
        return f"{base}:///{paths.state / file}"
    if not _has_host(url) and not (base == "postgresql" and "host=" in rest):  # a folder of sockets
        raise StorageUnusable(f"{place} is {hide_password(url)}, which names no host, or no sound port: write {FORMS}.")
    if base == "grpc" or driver:
        return url
    return {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[base] + url.removeprefix(base)


def open_storage(url: str, patience_s: float = PATIENCE_S) -> BaseStorage:
    """Raises: StorageUnusable: told without passwords."""
    base = url.partition(":")[0].partition("+")[0]
    if base == "grpc":
        check_proxy_installed(url)
    with telling(url, opening=True):
        if base == "sqlite":
            return optuna.storages.get_storage(_open_sqlite(url, patience_s))
        if base == "journal":
            return _open_journal(url)
        if base == "grpc":
            from textmill.search.proxy import connect

            return connect(url, patience_s / 3)
        return optuna.storages.get_storage(_open_server(url, patience_s / 3))


def check_proxy_installed(url: str) -> None:
    """Raises: StorageUnusable: grpcio, an extra, is missing."""
    if importlib.util.find_spec("grpc") is None:
        raise unusable(url, "grpcio is not installed", _INSTALL)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # the port is no number
        return False


def _open_sqlite(url: str, patience_s: float) -> RDBStorage:
    """Every transaction takes the write lock when it begins.

    Python's driver begins one only with the first change, after what was read to decide on it: of two workers, both
    would get the same queued trial, or both put a dead one back into the queue. WAL is left off: it would bring two
    more files, which a copy of optuna.db misses, and saves little where every transaction writes.
    """
    file = Path(make_url(url).database or "")
    check_sqlite(file, patience_s)
    storage = _make_tables(url, {"connect_args": {"timeout": patience_s}})

    @event.listens_for(storage.engine, "connect")
    def leave_transactions_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(storage.engine, "begin")
    def lock_at_once(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # connections from before know nothing of this
    return storage


def _open_journal(url: str) -> JournalStorage:
    """Lines of JSON: only Optuna's journal in Redis keeps pickles, and we open none."""
    file = Path(url.removeprefix("journal:///"))
    check_journal(file)
    return JournalStorage(_Journal(str(file)))


class _Journal(JournalFileBackend):
    """Whose errors (a full disk, a damaged line, a lock that was taken away) are known as the storage's."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        try:
            yield from super().read_logs(log_number_from)
        except OSError as error:
            raise StorageInternalError(str(error)) from None
        except ValueError as error:
            raise StorageInternalError(f"the file is corrupt: {error}") from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except (OSError, RuntimeError) as error:
            raise StorageInternalError(str(error)) from None


def _open_server(url: str, patience_s: float) -> RDBStorage:
    base, driver = make_url(url).get_backend_name(), make_url(url).get_driver_name()
    if driver == _DRIVERS[base][0] and importlib.util.find_spec(driver) is None:
        raise unusable(url, f"its driver {driver} is not installed", _DRIVERS[base][1])
    arguments: dict[str, Any] = {"connect_timeout": max(2, round(patience_s))}
    if base == "postgresql":
        arguments |= _CONNECTION
        arguments["options"] = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    elif driver == "pymysql":
        arguments |= {"read_timeout": 60, "write_timeout": 60}
    # A connection that has lain idle through a training may be closed by now: it is tried first.
    return _make_tables(url, {"connect_args": arguments, "pool_pre_ping": True})


def _make_tables(url: str, arguments: dict[str, Any]) -> RDBStorage:
    """Optuna makes the tables that are missing without a lock: of several processes one gets through, others repeat."""
    for attempt in range(_RACES):
        try:
            return RDBStorage(url, engine_kwargs=arguments)
        except (SQLAlchemyError, StorageInternalError) as error:
            told = f"{error} {error.__cause__}".lower()
            if attempt == _RACES - 1 or not any(words in told for words in ("already exists", "duplicate", "unique")):
                raise
            time.sleep(random.uniform(0, 0.3))
    raise AssertionError
