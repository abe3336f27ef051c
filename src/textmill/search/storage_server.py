"""A storage of studies lent to other machines: the server of Optuna's gRPC proxy."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import optuna

from textmill.search.processes import interruptible
from textmill.search.storage import check_proxy_installed, open_storage
from textmill.search.storage_errors import unusable

_NUM_THREADS = 10  # as Optuna's
_FAREWELL_S = 5.0  # for calls under way


def serve(url: str, host: str, port: int, on_start: Callable[[], None]) -> None:
    """Answer until Ctrl-C or SIGTERM.

    Optuna's own run_grpc_proxy_server would let two servers share a port, and opens SQLite without our locks.

    Raises: StorageUnusable: also where the port is taken.
    """
    address = f"grpc://{host}:{port}"
    check_proxy_installed(address)
    if url.startswith(("journal:", "grpc:")):
        advice = "Lend SQLite, PostgreSQL or MySQL: correct tune.storage or TEXTMILL_STUDY_STORAGE."
        raise unusable(url, "a proxy cannot lend a journal file, nor another proxy", advice)
    import grpc
    from optuna.storages._grpc.auto_generated import api_pb2_grpc
    from optuna.storages._grpc.servicer import OptunaStorageProxyService

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(url)
    server = grpc.server(ThreadPoolExecutor(_NUM_THREADS), options=[("grpc.so_reuseport", 0)])
    api_pb2_grpc.add_StorageServiceServicer_to_server(OptunaStorageProxyService(storage), server)
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        advice = "Choose another --port, or an address of this machine as --host."
        raise unusable(address, "the port is taken, or the address is none of this machine", advice) from None
    try:
        with interruptible():
            server.start()
            on_start()
            threading.Event().wait()
    except KeyboardInterrupt:
        server.stop(_FAREWELL_S).wait()
