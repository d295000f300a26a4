"""One connection to a Redis server for a hot path: commands of concurrent calls share it and each write.

A pooled client spends more CPU on lending connections, on timeouts per command and on streams than Redis spends
on the command. Here a command is appended to one buffer, written once per turn of the event loop, and answered
in order. That order is the only thing that ties a reply to its command, so a connection that fails in any way
is dropped with all that wait on it, and never used again.
"""

import asyncio
import time
from collections import deque
from ssl import SSLContext
from typing import Any, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

#: Commands that may wait for replies; more means that the server has stopped answering.
_MOST_WAITING = 10_000

_NO_REPLY = object()


class RedisLine:
    """A multiplexed connection, made by the first command and made anew by the first one after a failure.

    It belongs to the event loop that it is used in. Values are bytes, a missing value is None.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """url: as redis-py reads it. timeout_s: of each command, connecting included."""
        self._address: dict[str, Any] = dict(parse_url(url))
        self._tls = _tls(self._address)
        self._timeout_s = timeout_s
        self._connection: _Connection | None = None
        self._made = 0

    @property
    def connection_number(self) -> int:
        """Which connection the next command goes over: a server that lost its data is met over another one."""
        return self._made if self._connection and not self._connection.lost else self._made + 1

    def ask(self, *command: str | bytes | int | float) -> "asyncio.Future[Any]":
        """Send the command at the end of this turn of the event loop, and return its reply to be awaited.

        It is sent once, whether or not its reply is awaited. The future ends with redis.exceptions.TimeoutError
        after `timeout_s`, ConnectionError, or ResponseError when the server refuses the command; after the first
        two it is not known whether the command was carried out.
        """
        connection = self._connection
        if connection is None or connection.lost:
            connection = self._connection = _Connection(self._address, self._tls, self._timeout_s)
            self._made += 1
        return connection.ask(command)

    async def close(self) -> None:
        """Drop the connection; who still waits gets a ConnectionError."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class _Connection(asyncio.Protocol):
    """One connection from its opening to its loss, and the commands that wait on it, in the order sent."""

    def __init__(self, address: dict[str, Any], tls: SSLContext | None, timeout_s: float) -> None:
        self.lost = False
        self._address = address
        self._tls = tls
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []
        self._reader = hiredis.Reader(replyError=_refusal, notEnoughData=_NO_REPLY)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ready = False
        self._ended = self._loop.create_future()
        self._opening = self._loop.create_task(self._open())

    def ask(self, command: tuple[str | bytes | int | float, ...]) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        if len(self._waiting) >= _MOST_WAITING:
            _fail(future, RedisConnectionError("too many commands wait for replies"))
            return future
        packed: bytes = hiredis.pack_command(cast(Any, command))
        if self._ready and not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        self._waiting.append((future, time.monotonic()))
        return future

    async def close(self) -> None:
        self._lose(RedisConnectionError, "the connection was closed")
        await asyncio.wait([self._opening])
        if self._transport is not None:
            await self._ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.lost:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NO_REPLY:
                self._answer(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self._lose(RedisConnectionError, f"the server's replies make no sense: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(RedisConnectionError, f"the server closed the connection: {exc or 'end of stream'}")
        self._ended.set_result(None)

    def _answer(self, reply: Any) -> None:
        future, _ = self._waiting.popleft()
        if not isinstance(reply, ResponseError):
            if not future.done():
                future.set_result(reply)
            return
        if not future.done():
            _fail(future, reply)
        if isinstance(reply, ReadOnlyError):
            # After a failover: the server at this address may be another one by now.
            self._lose(RedisConnectionError, "the server became a replica")

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connect()
                await self._greet()
        except TimeoutError:
            self._lose(RedisTimeoutError, "the server did not take the connection in time")
        except (OSError, RedisError, ValueError) as error:
            # ValueError: a host name that cannot be one.
            self._lose(RedisConnectionError, f"cannot connect: {error}")
        else:
            self._ready = not self.lost
            self._send()

    async def _connect(self) -> None:
        address = self._address
        if path := address.get("path"):
            await self._loop.create_unix_connection(lambda: self, path)
            return
        host, port = address.get("host", "localhost"), address.get("port", 6379)
        await self._loop.create_connection(lambda: self, host, port, ssl=self._tls)

    async def _greet(self) -> None:
        """Log in and choose the database, each answered before anything else is sent."""
        name, password, database = (self._address.get(key) for key in ("username", "password", "db"))
        if name or password:
            await self._greeting("AUTH", *([name] if name else []), password or "")
        if database:
            await self._greeting("SELECT", int(database))

    async def _greeting(self, *command: str | int) -> None:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.appendleft((future, time.monotonic()))
        cast(asyncio.Transport, self._transport).write(hiredis.pack_command(cast(Any, command)))
        await future

    def _send(self) -> None:
        if not self._unsent or self._transport is None or self.lost:
            return
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()
        if self._timer is None:
            self._look_again()

    def _look_again(self) -> None:
        """Look when the oldest command is due: one timer for all, set about once per timeout."""
        due = self._waiting[0][1] + self._timeout_s
        self._timer = self._loop.call_later(max(0.001, due - time.monotonic()), self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        if time.monotonic() < self._waiting[0][1] + self._timeout_s:
            self._look_again()
        else:
            self._lose(RedisTimeoutError, "the server did not answer in time")

    def _lose(self, kind: type[RedisError], message: str) -> None:
        if self.lost:
            return
        self.lost = True
        self._opening.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        for future, _ in self._waiting:
            if not future.done():
                _fail(future, kind(message))
        self._waiting.clear()


def _tls(address: dict[str, Any]) -> SSLContext | None:
    if address.get("connection_class") is not SSLConnection:
        return None
    options = {name: value for name, value in address.items() if name != "connection_class"}
    return SSLConnection(**options).ssl_context.get()


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    future.set_exception(error)
    # Its caller may have gone away; asyncio would log every reply that nobody asks for.
    future.exception()


_REFUSALS = {"NOSCRIPT": NoScriptError, "READONLY": ReadOnlyError}


def _refusal(message: str) -> ResponseError:
    return _REFUSALS.get(message.partition(" ")[0], ResponseError)(message)
