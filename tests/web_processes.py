"""Real web processes beside a test, on its database and Redis servers: `with running_web() as web: ...`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import connection

from tests.demo_upstream import free_port

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Web:
    """A web process that answers."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def running_web(*, drain_seconds: int = 1) -> Iterator[Web]:
    """Start `config.server` on a free port; it is ended with the block."""
    port = free_port()
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    process = subprocess.Popen(
        [sys.executable, "-m", "config.server", "--port", str(port), "--drain-seconds", str(drain_seconds)],
        cwd=_ROOT,
        env={**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "config.settings"},
        stderr=subprocess.DEVNULL,
    )
    try:
        web = Web(url=f"http://127.0.0.1:{port}", process=process)
        _wait_for(web)
        yield web
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(web: Web) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and web.process.poll() is None:
        try:
            if httpx.get(f"{web.url}/readyz", timeout=30, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the web process did not start")
