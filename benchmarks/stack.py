"""A stack of its own for the measurement, in a child process, ended whatever happens."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parents[1]
READY_SECONDS = 300.0
STOP_SECONDS = 40.0
#: A user's own servers and providers take no part.
LEFT_OUT = (
    *("DATABASE_URL", "REDIS_CACHE_URL", "REDIS_STATE_URL", "CELERY_BROKER_URL", "CHANNELS_REDIS_URL"),
    *("OPENAI_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY", "TARGET_URL"),
    *("HALFPENNY_ENV", "OTEL_EXPORTER_OTLP_ENDPOINT"),
)


class StackFailed(Exception):
    """The stack did not become ready."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running stack: its folder, the pid of its manager, what demo.env says, seconds from start to ready."""

    home: Path
    pid: int
    env: Mapping[str, str]
    ready_s: float


@contextmanager
def running(home: Path) -> Iterator[Stack]:
    """Start the stack of `home`, with an upstream that answers at once; end it afterwards.

    Raises StackFailed.
    """
    log = home.with_name(f"{home.name}.log")
    # That of an earlier start would look like this one's.
    (home / "demo.env").unlink(missing_ok=True)
    with log.open("w") as output:
        started = time.monotonic()
        process = _start(home, output)
        try:
            _await_ready(home, process, log)
            ready_s = time.monotonic() - started
            yield Stack(home=home, pid=process.pid, env=read_env(home / "demo.env"), ready_s=ready_s)
        finally:
            _stop(process)


def environment(home: Path, given: Mapping[str, str], port: int) -> dict[str, str]:
    """Return the child's environment."""
    kept = {name: value for name, value in given.items() if name not in LEFT_OUT}
    return {**kept, "HALFPENNY_HOME": str(home), "PORT": str(port), "DEMO_LATENCY_MS": "0"}


def manage(stack: Stack, *arguments: str, **environment: str) -> str:
    """Run a `manage.py` command of the stack and return what it printed. Raises StackFailed."""
    line = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        line,
        cwd=PROJECT,
        env=child_environment(stack, **environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackFailed(f"manage.py {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def child_environment(stack: Stack, **more: str) -> dict[str, str]:
    """Return the environment of another process of the stack, which finds the rest by its home."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return {**kept, "HALFPENNY_HOME": str(stack.home), **more}


def read_env(file: Path) -> dict[str, str]:
    """Return the variables of a file that a shell could source."""
    return dict(word.split("=", 1) for word in shlex.split(file.read_text()))


def _start(home: Path, output: IO[str]) -> "subprocess.Popen[bytes]":
    # In a group of its own a Ctrl-C reaches only this process, which then ends the stack in order;
    # --with-parent ends it even if this process is killed.
    return subprocess.Popen(
        [sys.executable, "-m", "config.devstack", "run", "--with-parent"],
        cwd=PROJECT,
        env=environment(home, os.environ, free_port()),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def free_port() -> int:
    """Return a port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(home: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not (home / "demo.env").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackFailed("the stack did not become ready:\n" + _last_lines(log))
        time.sleep(0.02)


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines[-30:] if "hp_" not in line and "password" not in line.lower())


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # The keepers of its processes see that the manager is gone, and end them.
        process.kill()
        process.wait()
