"""A small HTTP/1.1 client on keep-alive connections: httpx costs more CPU a request than what it would measure."""

import asyncio
import json
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

import httptools


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time. Its errors are OSErrors."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[str] | None = None
        self._cache_status = ""
        self.body = bytearray()

    async def ask(self, request: bytes) -> str:
        """Send a request and return its outcome: the gateway's cache status on a 200, else the status code.

        A lost layer is told by its reason too: `error embedding_timeout`. Raises ConnectionResetError when the
        server hangs up first.
        """
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
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("hung up"))

    def on_message_begin(self) -> None:
        self._cache_status = ""
        self.body.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-gateway-cache":
            self._cache_status = value.decode("ascii")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._outcome())

    def _outcome(self) -> str:
        status = self._parser.get_status_code()
        if status != 200 or not self._cache_status:
            return str(status)
        if self._cache_status == "error":
            return f"error {json.loads(self.body)['cache']['reason']}"
        return self._cache_status


class Server:
    """Where requests go: the address of a URL like http://127.0.0.1:8000."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80

    async def connect(self) -> Connection:
        """Return an open connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port)
        return connection

    def post(self, path: str, key: str, body: dict[str, Any]) -> bytes:
        """Return the bytes of a POST with a bearer key."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def get(self, path: str) -> bytes:
        """Return the bytes of a GET."""
        return f"GET {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n\r\n".encode()


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
