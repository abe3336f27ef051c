"""Servers and machines for shared studies: PostgreSQL, Optuna's gRPC proxy, and hosts in network namespaces."""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE_S = 60.0
PASSWORD = "pa55-w0rd"
TEXTMILL = [sys.executable, "-m", "textmill.cli"]


@dataclass(frozen=True)
class Postgres:
    """A cluster of its own on loopback, with an empty database `studies`; `superuser` asks for a password."""

    port: int
    sockets: Path
    programs: Path

    def url(self, password: str = PASSWORD, database: str = "studies") -> str:
        return f"postgresql://superuser:{password}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str) -> str:
        """An empty database of this name; its url."""
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        command = [self.programs / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "superuser", name]
        subprocess.run(command, env=environment, check=True)
        return self.url(database=name)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start Debian's PostgreSQL; skips the test where there is none.

    It refuses to run as root: then it runs as the user of its package, or as nobody.
    """
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL (initdb, postgres) is not installed")
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="textmill-postgres-"))
    try:
        folder.chmod(0o755)
        data, sockets, password = folder / "data", folder / "sockets", folder / "password"
        for inside in (data, sockets):
            inside.mkdir()
        password.write_text(PASSWORD)
        if user:
            for path in (data, sockets, password):
                shutil.chown(path, user)
        data.chmod(0o700)
        as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        command = [programs / "initdb", "-D", data, "-U", "superuser", "--auth=scram-sha-256", f"--pwfile={password}"]
        subprocess.run(
            [*command, "--no-sync", "--no-locale", "-E", "UTF8"], check=True, capture_output=True, cwd=folder, **as_user
        )
        server = Postgres(free_port(), sockets, programs)
        settings = {"listen_addresses": "127.0.0.1", "port": server.port, "fsync": "off", "logging_collector": "off"}
        settings |= {"unix_socket_directories": sockets}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with _running([programs / "postgres", "-D", data, *options], cwd=folder, stop=signal.SIGINT, **as_user):
            wait_until(lambda: _answers("127.0.0.1", server.port), "PostgreSQL does not answer")
            wait_until(lambda: _is_ready(server), "PostgreSQL is not ready")
            server.make_database("studies")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def proxy(url: str, folder: Path, prefix: Sequence[str] = (), host: str = "127.0.0.1") -> Iterator[str]:
    """`textmill proxy` over a storage; yields its url.

    Args:
        folder: with a params.yaml.
        prefix: command to run it under, of a host.
    """
    port = free_port()
    command = [*prefix, *TEXTMILL, "proxy", "--host", host, "--port", str(port)]
    log = folder / "proxy.log"
    with _running(command, cwd=folder, stop=signal.SIGTERM, log=log, env={"TEXTMILL_STUDY_STORAGE": url}) as process:

        def is_up() -> bool:
            assert process.poll() is None, log.read_text()
            return "Ctrl-C ends it" in log.read_text()

        wait_until(is_up, "the proxy does not start")
        yield f"grpc://{host}:{port}"


@dataclass(frozen=True)
class Host:
    """A network and a name of its own; `prefix` runs a command there."""

    name: str
    address: str
    prefix: list[str]


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two network namespaces with a cable (veth) between them; skips the test where none can be made."""
    missing = [program for program in ("unshare", "nsenter", "ip") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed (util-linux, iproute2)")
    with ExitStack() as stack:
        outside: list[str] = []
        if os.geteuid() != 0:  # root of a namespace of our own
            holder = _namespace(stack, [], ["--user", "--map-root-user", "--net"])
            outside = ["nsenter", "--target", str(holder), "--user", "--net", "--preserve-credentials"]
        hosts = []
        for name, address in (("alpha", "10.213.7.1"), ("beta", "10.213.7.2")):
            holder = _namespace(stack, outside, ["--net", "--uts"])
            prefix = [*outside, "nsenter", "--target", str(holder), "--net", "--uts"]
            subprocess.run([*prefix, "hostname", name], check=True)
            hosts.append((Host(name, address, prefix), holder))
        ends = [word for number, (_, pid) in enumerate(hosts) for word in (f"tm{number}", "netns", str(pid))]
        command = [*outside, "ip", "link", "add", "name", *ends[:3], "type", "veth", "peer", "name", *ends[3:]]
        subprocess.run(command, check=True)
        for number, (host, _) in enumerate(hosts):
            for words in (["addr", "add", f"{host.address}/24", "dev", f"tm{number}"], ["link", "set", f"tm{number}"]):
                subprocess.run([*host.prefix, "ip", *words, *(["up"] if words[1] == "set" else [])], check=True)
            subprocess.run([*host.prefix, "ip", "link", "set", "lo", "up"], check=True)
        yield hosts[0][0], hosts[1][0]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(is_so: Callable[[], bool], complaint: str, patience_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < until, complaint
        time.sleep(0.05)


def _namespace(stack: ExitStack, outside: Sequence[str], kinds: Sequence[str]) -> int:
    """Make a namespace that lives as long as the stack; the process that holds it."""
    command = [*outside, "unshare", *kinds, "sh", "-c", "echo here && exec sleep infinity"]
    holder = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    stack.callback(holder.kill)
    assert holder.stdout is not None and holder.stderr is not None
    if holder.stdout.readline() != "here\n":
        pytest.skip(f"namespaces are not permitted here: {holder.stderr.read().strip()}")
    return holder.pid


@contextmanager
def _running(
    command: Sequence[object],
    *,
    cwd: Path,
    stop: signal.Signals,
    log: Path | None = None,
    env: dict[str, str] | None = None,
    **as_user: object,
) -> Iterator[subprocess.Popen[bytes]]:
    with (log or cwd / "server.log").open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            **as_user,  # type: ignore[call-overload]
        )
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _postgres_programs() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    return next((path for path in [*reversed(debian), *on_path] if (path / "initdb").exists()), None)


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip(f"PostgreSQL does not run as {getpass.getuser()}, and there is neither a user postgres nor nobody")


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_ready(server: Postgres) -> bool:
    command = [server.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(server.port)]
    return subprocess.run(command, check=False).returncode == 0
