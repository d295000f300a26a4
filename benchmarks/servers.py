"""Servers besides the stack: started, awaited, pinned like the gateway's web process, and ended."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.client import Server
from benchmarks.pinning import pin_family
from benchmarks.stack import free_port

READY_SECONDS = 90.0
STOP_SECONDS = 10.0


class NotStarted(Exception):
    """A server did not answer in time."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a server is started. In `argv`, `{port}` stands for the port; `ready`: a path that answers 200."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    ready: str = "/"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers: its part's name, its process, and seconds from start to ready."""

    name: str
    pid: int
    server: Server
    ready_s: float


@contextmanager
def running(recipe: Recipe, logs: Path, cores: frozenset[int] | None) -> Iterator[Running]:
    """Start the server, wait until it answers, and keep it on `cores` (None: on any). Raises NotStarted."""
    port = free_port()
    log = logs / f"{recipe.name}.log"
    argv = [part.replace("{port}", str(port)) for part in recipe.argv]
    with log.open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            argv,
            cwd=recipe.cwd,
            env={**recipe.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await_ready(process, recipe, port, log)
            ready_s = time.monotonic() - started
            if cores:
                pin_family(process.pid, cores)
            server = Server(f"http://127.0.0.1:{port}")
            yield Running(name=recipe.name, pid=process.pid, server=server, ready_s=ready_s)
        finally:
            _stop(process)


def _await_ready(process: "subprocess.Popen[bytes]", recipe: Recipe, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(port, recipe):
        if process.poll() is not None or time.monotonic() > deadline:
            last = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
            raise NotStarted(f"{recipe.name} did not become ready: {last[-300:]}")
        time.sleep(0.02)


def _answers(port: int, recipe: Recipe) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", recipe.ready)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # It leads a group of its own: whatever it started goes with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
