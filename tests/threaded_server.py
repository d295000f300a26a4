"""Serves a small ASGI application of the tests from a thread of its own."""

import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvicorn

_START_SECONDS = 30.0

Message = MutableMapping[str, Any]


@contextmanager
def served(application: Any, *, port: int) -> Iterator[None]:
    """Serve on the port until the end of the block."""
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + _START_SECONDS
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


async def body_of(receive: Callable[[], Awaitable[Message]]) -> bytes:
    """Return the whole body of a request."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
