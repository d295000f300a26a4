"""The real demo upstream in a process of its own, for tests: `with running_demo() as demo: ...`."""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from gateway.deadlines import Deadlines
from routing.catalog import EncryptedKey, ProviderAccess, Target
from routing.secrets import seal

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60.0
SECRET = "sk-canary-5f2c9e81d7"


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A running demo upstream."""

    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def ledger(self) -> dict[str, Any]:
        """What it was asked since the last reset."""
        return self._call("GET")

    def calls(self) -> int:
        return int(self.ledger()["calls"])

    def reset(self) -> None:
        """Forget all calls and begin counting faults anew."""
        self._call("DELETE")

    def _call(self, method: str) -> dict[str, Any]:
        # verify: reading the certificate authorities would take longer than the call.
        url = f"http://127.0.0.1:{self.port}/ledger"
        answer = httpx.request(method, url, timeout=30, trust_env=False, verify=False)
        return dict(answer.raise_for_status().json())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_demo(*, latency_ms: int = 0) -> Iterator[Demo]:
    """Start the demo upstream on a free port; it is ended with the block."""
    port = free_port()
    command = [sys.executable, "-m", "gateway.demo", "--port", str(port), "--latency-ms", str(latency_ms)]
    process = subprocess.Popen(command, cwd=_ROOT, env={**os.environ}, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield Demo(port=port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/livez", timeout=5, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the demo upstream did not start")


def key(secret: str = SECRET, *, uid: str = "key-1") -> EncryptedKey:
    sealed = seal(SecretStr(secret), provider_id=1, uid=uid)
    return EncryptedKey(uid=uid, ciphertext=base64.b64encode(sealed).decode())


def access(base_url: str, *keys: EncryptedKey) -> ProviderAccess:
    return ProviderAccess(id=1, slug="demo", kind="openai", base_url=base_url, encrypted_keys=keys)


def target(upstream_name: str) -> Target:
    return Target(
        id=1,
        provider="demo",
        name="any",
        upstream_name=upstream_name,
        tier="cheap",
        context_tokens=1000,
        aliases=(),
        prices=(),
    )


def within(seconds: float, *, connect_s: float = 20.0) -> Deadlines:
    """Return the bounds of an attempt that begins now and has so many seconds."""
    return Deadlines(
        connect_s=connect_s,
        first_token_s=60.0,
        between_chunks_s=30.0,
        total_at=time.monotonic() + seconds,
    )
