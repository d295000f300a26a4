"""Connections only to addresses that a provider may have, checked at every new connection.

The name is resolved once, all answers are checked, and the connection is made to a checked address, not to
the name: a resolver that answers differently the next time (DNS rebinding) changes nothing. The name itself
stays in `Host` and in TLS, so certificates are checked against it as ever.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore
import httpx

from routing.base_urls import Network, RefusedAddress, check_addresses

SocketOptions = Iterable[Any]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """A network backend that resolves names itself and connects to checked addresses only."""

    def __init__(
        self,
        allowed: Sequence[Network],
        *,
        public: bool = True,
        backend: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """allowed: networks besides the public internet. public: whether that will do at all."""
        self._allowed = allowed
        self._public = public
        self._backend = backend or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the backend's interface)
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that accepts; the timeout covers resolving and all of them."""
        try:
            async with asyncio.timeout(timeout):
                return await self._connect_checked(host, port, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout("connecting took too long") from None

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("providers are not spoken to over sockets")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)

    async def _connect_checked(
        self, host: str, port: int, local_address: str | None, socket_options: SocketOptions | None
    ) -> httpcore.AsyncNetworkStream:
        failure = httpcore.ConnectError("no address answered")
        for address in await self._addresses(host, port):
            try:
                return await self._backend.connect_tcp(
                    address, port, local_address=local_address, socket_options=socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> tuple[str, ...]:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
            return check_addresses(host, found, self._allowed, public=self._public)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name has no address") from None
        except RefusedAddress:
            raise httpcore.ConnectError("the address is refused") from None


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool whose connections are guarded; no proxies, no retries of its own."""

    def __init__(self, allowed: Sequence[Network], limits: httpx.Limits, *, public: bool = True) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            retries=0,
            network_backend=GuardedBackend(allowed, public=public),
        )
