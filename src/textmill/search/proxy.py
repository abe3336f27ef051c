"""The client of Optuna's gRPC proxy, where one process has the database and workers on other machines ask it.

This module needs grpcio, which is an extra: import it only where a proxy is asked for.
"""

import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import grpc
from optuna.exceptions import ExperimentalWarning
from optuna.storages import GrpcStorageProxy
from optuna.storages._grpc.auto_generated import api_pb2_grpc
from optuna.storages._grpc.client import GrpcClientCache, create_insecure_channel

PORT = 13000  # Optuna's
_DEADLINE_S = 60.0  # of a call: a proxy that is started anew is waited for, one that is gone is not waited for longer


class Proxy(GrpcStorageProxy):
    """Optuna's client, whose calls do not wait for ever on a network that swallows them."""

    def _setup(self) -> None:
        channel = create_insecure_channel(self._host, self._port)
        self._channel = grpc.intercept_channel(channel, _Deadline())
        self._stub = api_pb2_grpc.StorageServiceStub(self._channel)
        self._cache = GrpcClientCache(self._stub)


class _Deadline(grpc.UnaryUnaryClientInterceptor):
    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(details._replace(timeout=_DEADLINE_S, wait_for_ready=True), request)


def connect(url: str, patience_s: float) -> Proxy:
    """Raises: ConnectionError: nobody answers within `patience_s`; grpc.RpcError: it is no proxy of studies."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = Proxy(host=parts.hostname, port=parts.port or PORT)
    proxy.wait_server_ready(patience_s)
    proxy.get_all_studies()
    return proxy
