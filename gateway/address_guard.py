"""Connections only to addresses that a provider may have, checked at every new connection.

The name is resolved once, all answers are checked, and the connection is made to a checked address, not to
the name: a resolver that answers differently the next time (DNS rebinding) changes nothing. The name itself
stays in `Host` and in TLS, so certificates are checked against it as ever.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Sequence
from contextvars import ContextVar

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from httpx_aiohttp import AiohttpTransport

from routing.base_urls import Network, RefusedAddress, check_addresses

_CLOSED_BY_THE_OTHER_SIDE = frozenset({errno.ECONNRESET, errno.EPIPE})


class _Connecting:
    """What one call knows of its way to a connection."""

    def __init__(self, seconds: float) -> None:
        """seconds: for resolving a name and trying its addresses, all together."""
        self._seconds = seconds
        self.until: float | None = None
        """On the clock of time.monotonic(); None: no connection was begun, a kept one was taken."""

    def begin(self) -> float:
        """Return the seconds that are left, of which the first caller has all."""
        now = time.monotonic()
        if self.until is None:
            self.until = now + self._seconds
        return self.until - now


_CONNECTING: ContextVar[_Connecting] = ContextVar("connecting")


class AddressGuard(AbstractResolver):
    """Resolves names and opens sockets, for checked addresses only."""

    def __init__(self, allowed: Sequence[Network], *, public: bool = True) -> None:
        """allowed: networks besides the public internet. public: whether that will do at all."""
        self._allowed = allowed
        self._public = public

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the name's addresses. Raises OSError if one of them is refused; addresses aren't asked about."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._time_left()):
            try:
                found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
            except UnicodeError:
                raise OSError("the name has no address") from None
        addresses = list(dict.fromkeys(str(answer[4][0]) for answer in found))
        self._check(host, addresses)
        return [_resolved(host, address, port) for address in addresses]

    def open_socket(self, address_info: AddrInfoType) -> socket.socket:
        """Return a socket for an address, be it resolved or written in the URL. Raises OSError if refused."""
        family, kind, protocol, _, address = address_info
        self._check(str(address[0]), [str(address[0])])
        if self._time_left() <= 0:
            raise OSError(errno.ETIMEDOUT, "connecting took too long")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Nothing is kept."""

    def _time_left(self) -> float:
        return _CONNECTING.get().begin()

    def _check(self, host: str, addresses: Sequence[str]) -> None:
        try:
            check_addresses(host, addresses, self._allowed, public=self._public)
        except RefusedAddress:
            raise OSError(errno.EACCES, "the address is refused") from None


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)


class GuardedTransport(AiohttpTransport):
    """httpx's transport over aiohttp's connections, each of them guarded.

    Nothing is decoded, followed or remembered: no content encodings, redirects, cookies, proxies, names.
    """

    def __init__(
        self,
        allowed: Sequence[Network],
        limits: httpx.Limits,
        *,
        public: bool = True,
    ) -> None:
        context = _tls() if public else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=context, trust_env=False, limits=limits, client=self._open)
        self._guard = AddressGuard(allowed, public=public)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is bytes; return when the answer's head is there. Raises httpx.HTTPError.

        Its extensions hold the seconds for resolving the name and trying its addresses, all together.

        A kept connection may be closed by the other side while a request is on its way there. Then, and
        only if no byte of an answer came, the request is sent once more.
        """
        connecting = _Connecting(request.extensions["timeout"]["connect"])
        try:
            return await self._send(request, connecting)
        except httpx.HTTPError as error:
            is_kept = connecting.until is None
            if not (is_kept and _was_closed_silently(error.__cause__)):
                raise
        return await self._send(request, connecting)

    async def _send(self, request: httpx.Request, connecting: _Connecting) -> httpx.Response:
        before = _CONNECTING.set(connecting)
        try:
            return await super().handle_async_request(request)
        except httpx.ConnectTimeout as error:
            raise _by_its_name(error) from error.__cause__
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError("the answer's head is malformed") from error
        except ValueError as error:
            raise httpx.LocalProtocolError("the request can't be sent") from error
        finally:
            _CONNECTING.reset(before)

    def _open(self) -> aiohttp.ClientSession:
        """Return the pool of connections; it belongs to the running loop."""
        connector = aiohttp.TCPConnector(
            ssl=self.ssl_context,
            limit=self.limits.max_connections or 0,
            keepalive_timeout=self.limits.keepalive_expiry,
            resolver=self._guard,
            use_dns_cache=False,
            socket_factory=self._guard.open_socket,
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )


def _tls() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _by_its_name(error: httpx.ConnectTimeout) -> httpx.TransportError:
    """Return what a failure really was: the transport calls every trouble with a connection a timeout."""
    match error.__cause__:
        case aiohttp.ServerTimeoutError():
            return error
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError("no address answered")
        case _:
            return httpx.RemoteProtocolError("the connection was closed")


def _was_closed_silently(error: BaseException | None) -> bool:
    """Whether a connection was closed without a byte of the answer's head."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)
    return isinstance(error, aiohttp.ClientOSError) and error.errno in _CLOSED_BY_THE_OTHER_SIDE
