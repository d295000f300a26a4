"""The whole product as a newcomer starts it, in a home of its own."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

_ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 150
#: What the test run set for itself; the stack has servers and deadlines of its own.
_NOT_PASSED_ON = (
    "DATABASE_URL",
    "REDIS_CACHE_URL",
    "REDIS_STATE_URL",
    "REDIS_TIMEOUT_SECONDS",
    "SEMANTIC_SEARCH_TIMEOUT_MS",
    "DJANGO_SETTINGS_MODULE",
    "PORT",
)


class Stack:
    """A running stack, reached only by what `demo.env` says."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def env(self) -> dict[str, str]:
        """The variables of demo.env as they are now: pids change when a process is restarted."""
        tokens = shlex.split((self.home / "demo.env").read_text(encoding="utf-8"))
        return dict(token.split("=", 1) for token in tokens)

    def ask(self, prompt: str, *, other: bool = False, **fields: Any) -> dict[str, Any]:
        """Ask as tenant acme (or, with `other`, globex) and return the answer's body."""
        response = self.call("POST", "/chat", other=other, json={"prompt": prompt, **fields})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def call(self, method: str, path: str, *, other: bool = False, **options: Any) -> httpx.Response:
        key = self.env["HALFPENNY_KEY_OTHER" if other else "HALFPENNY_KEY"]
        headers = {"authorization": f"Bearer {key}"}
        url = self.env["HALFPENNY_URL"] + path
        return httpx.request(method, url, headers=headers, timeout=30, trust_env=False, **options)

    def stats(self) -> dict[str, Any]:
        return dict(self.call("GET", "/stats").json()["totals"])

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.env["HALFPENNY_DATABASE_URL"], connect_timeout=30) as connection:
            return connection.execute(query, arguments).fetchall()

    def cache(self) -> "redis.Redis":
        return redis.Redis.from_url(self.env["HALFPENNY_REDIS_CACHE_URL"], socket_timeout=30)

    def signal(self, variable: str, number: signal.Signals) -> None:
        for pid in self.env[variable].split():
            os.kill(int(pid), number)

    def manage(self, *words: str) -> str:
        """Run a management command as an operator would, beside the running stack."""
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command,
            cwd=_ROOT,
            env=_environment(self.home),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout


def eventually(holds: Callable[[], bool], *, seconds: float = 60.0) -> bool:
    """Whether it comes to hold in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return holds()


@contextmanager
def running_stack(home: Path) -> Iterator[Stack]:
    """Start everything, wait until it says that it is ready, end it by the signal that Ctrl-C sends."""
    log = home.parent / "stack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.devstack", "run"],
            cwd=_ROOT,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            ready = eventually(
                lambda: (home / "demo.env").exists() or process.poll() is not None, seconds=_READY_SECONDS
            )
            assert ready and process.poll() is None, log.read_text(errors="replace")[-4000:]  # noqa: PT018
            yield Stack(home)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _environment(home: Path) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return {**passed, "HALFPENNY_HOME": str(home), "DEMO_LATENCY_MS": "100"}
