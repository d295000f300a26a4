"""Embedded Postgres and Valkey servers as one small API, for `make run` and for tests.

    with start(Path("/tmp/some home")) as servers:
        psycopg.connect(servers.database_url)

Every server runs under a keeper (see keeper.py), so none outlives the process that started it, not even after
a kill -9. The command lines (`prepare`) serve the process runner, which keeps the same servers itself.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from config.devstack import ports, postgres, valkey
from config.devstack.home import Home, StackError, open_home
from config.devstack.keeper import Orders

NAMES = ("postgres", "cache", "state")
STARTS = 3


@dataclass(frozen=True, kw_only=True)
class Server:
    """One embedded server, prepared: what starts it and how it is reached."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    url: str
    wait_until_ready: Callable[[str, float], None]
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    notice: str | None = None

    def orders(self, home: Home) -> Orders:
        """The keeper's orders for this server; callers replace what differs."""
        return Orders(
            name=self.name, run_dir=home.run_dir, argv=self.argv, stop_signal=self.stop_signal, user=self.user
        )


class ServerFailedError(StackError):
    """A server ended before it was ready; the message holds the end of its log."""


@dataclass(kw_only=True)
class Servers:
    """Running servers. `pids` are those of the servers themselves, by name: postgres, cache, state."""

    home: Home
    database_url: str
    redis_cache_url: str
    redis_state_url: str
    _keepers: dict[str, subprocess.Popen[bytes]] = field(repr=False)

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each server that is running now."""
        found = {name: self.home.pid(name) for name in self._keepers}
        return {name: pid for name, pid in found.items() if pid is not None}

    def stop(self) -> None:
        """Ends every server and waits until it is gone; the state stays in the home. May be called twice."""
        for keeper in self._keepers.values():
            keeper.terminate()
        for keeper in self._keepers.values():
            keeper.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(home: Path, *, log_dir: Path | None = None, durable: bool = True, restart: bool = False) -> Servers:
    """Starts the three servers in `home` (made if missing) on free loopback ports; returns when all answer.

    `log_dir`: where `<name>.log` goes, `<home>/log` if None. `durable=False`: no fsync, for tests.
    `restart=True`: a server that dies is started again. Raises StackError, ServerFailedError.
    """
    opened = open_home(home)
    for attempt in range(1, STARTS + 1):
        try:
            return _start(opened, log_dir or opened.logs, durable=durable, restart=restart)
        except ServerFailedError as error:
            # Somebody may have taken a port between our look and the server's bind.
            if attempt == STARTS or "in use" not in str(error):
                raise
    raise AssertionError("the loop above returns or raises")


def prepare(home: Home, chosen: Mapping[str, int], *, durable: bool = True) -> list[Server]:
    """Prepares the servers named in `chosen` (name -> port): data folders, configuration, command lines."""
    makers: dict[str, Callable[[int], Server]] = {
        "postgres": lambda port: _postgres(home, port, durable=durable),
        "cache": lambda port: _valkey("cache", valkey.prepare_cache(home, port)),
        "state": lambda port: _valkey("state", valkey.prepare_state(home, port)),
    }
    return [makers[name](port) for name, port in chosen.items()]


def _start(home: Home, log_dir: Path, *, durable: bool, restart: bool) -> Servers:
    log_dir.mkdir(parents=True, exist_ok=True)
    home.await_last_keepers(10.0)
    chosen = ports.choose_ports(NAMES, ports.read_ports(home.ports))
    ports.write_ports(home.ports, ports.read_ports(home.ports) | chosen)
    prepared = {server.name: server for server in prepare(home, chosen, durable=durable)}
    with ExitStack() as undo:
        running = Servers(
            home=home,
            database_url=prepared["postgres"].url,
            redis_cache_url=prepared["cache"].url,
            redis_state_url=prepared["state"].url,
            _keepers={},
        )
        undo.callback(running.stop)
        for server in prepared.values():
            running._keepers[server.name] = _spawn(home, server, log_dir, restart=restart)
        for server in prepared.values():
            _await(server, running._keepers[server.name], log_dir)
        undo.pop_all()
    return running


def _spawn(home: Home, server: Server, log_dir: Path, *, restart: bool) -> subprocess.Popen[bytes]:
    orders = replace(server.orders(home), once=not restart)
    orders.pid_file.unlink(missing_ok=True)
    with (log_dir / f"{server.name}.log").open("wb") as log:
        return subprocess.Popen(
            orders.command_line(),
            env=dict(server.env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _await(server: Server, keeper: subprocess.Popen[bytes], log_dir: Path) -> None:
    """Waits for one server, in short turns: an early death is told with its log, not as a time-out."""
    deadline = time.monotonic() + 30.0
    while True:
        if keeper.poll() is not None:
            raise ServerFailedError(f"{server.name} ended at once:\n{_tail(log_dir / f'{server.name}.log')}")
        try:
            server.wait_until_ready(server.url, 0.5)
        except StackError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _postgres(home: Home, port: int, *, durable: bool) -> Server:
    made = postgres.prepare(home, port, durable=durable)
    return Server(
        name="postgres",
        argv=made.argv,
        env=made.env,
        url=made.url,
        wait_until_ready=postgres.wait_until_ready,
        stop_signal=made.stop_signal,
        user=made.user,
        notice=made.notice,
    )


def _valkey(name: str, made: valkey.Valkey) -> Server:
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return Server(name=name, argv=made.argv, env=env, url=made.url, wait_until_ready=valkey.wait_until_ready)
