"""A small HTTP/1.1 client on keep-alive connections: httpx costs more CPU a request than what it would measure."""

import asyncio
import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

END_MARKER = b"data: [DONE]"


class Answers:
    """Makes answers of the bytes of one connection, one at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._cache_status = ""
        self._streamed = False
        self._complete = False
        self.body = bytearray()
        self.piece_times: list[float] = []
        """When each piece of the body came (perf_counter)."""

    def feed(self, data: bytes) -> str | None:
        """Return the outcome once the answer is complete: the gateway's cache status on a 200, else the code.

        A lost layer is told by its reason too: `error embedding_timeout`; a stream without its end marker is told
        as `broken off`.
        """
        self._complete = False
        self._parser.feed_data(data)
        return self._outcome() if self._complete else None

    def on_message_begin(self) -> None:
        self._cache_status = ""
        self._streamed = False
        self.body.clear()
        self.piece_times.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-gateway-cache":
            self._cache_status = value.decode("ascii")
        elif name.lower() == b"content-type":
            self._streamed = value.startswith(b"text/event-stream")

    def on_body(self, body: bytes) -> None:
        self.body += body
        self.piece_times.append(time.perf_counter())

    def on_message_complete(self) -> None:
        self._complete = True

    def _outcome(self) -> str:
        status = self._parser.get_status_code()
        if self._streamed and not self.body[-32:].rstrip().endswith(END_MARKER):
            return "broken off"
        if status != 200 or not self._cache_status:
            return str(status)
        if self._cache_status == "error" and not self._streamed:
            return f"error {_reason(bytes(self.body))}"
        return self._cache_status


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time. Its errors are OSErrors."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[str] | None = None
        self.answer = Answers()

    async def ask(self, request: bytes) -> str:
        """Send a request and return its outcome. Raises ConnectionResetError when the server hangs up first."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        outcome = self.answer.feed(data)
        if outcome is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(outcome)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("hung up"))


class Server:
    """Where requests go: the address of a URL like http://127.0.0.1:8000."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._host = f"{self.address[0]}:{self.address[1]}"
        self.url = f"http://{self._host}"

    async def connect(self) -> Connection:
        """Return an open connection. Raises OSError."""
        _, connection = await asyncio.get_running_loop().create_connection(Connection, *self.address)
        return connection

    def post(
        self, path: str, key: str, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the bytes of a POST with a bearer key."""
        content = json.dumps(body).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {key}\r\n{more}"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def get(self, path: str, key: str | None = None) -> bytes:
        """Return the bytes of a GET, with a bearer key if there is one."""
        authorization = f"authorization: Bearer {key}\r\n" if key else ""
        return f"GET {path} HTTP/1.1\r\nhost: {self._host}\r\n{authorization}\r\n".encode()


class Connections:
    """Several open connections for the time of a `with`."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        self._count = count
        self._open: list[Connection] = []

    async def __aenter__(self) -> list[Connection]:
        self._open = [await self._server.connect() for _ in range(self._count)]
        return self._open

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._open:
            connection.close()


def _reason(body: bytes) -> str:
    """Return why a layer was lost, as the body of `/chat` says."""
    told = json.loads(body).get("cache")
    # OpenAI's form has no room for it.
    return str(told["reason"]) if told else "of a layer"
