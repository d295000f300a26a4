"""The guard with a resolver and a network of the test's own making."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.address_guard import GuardedTransport
from routing.base_urls import parse_networks

LIMITS = httpx.Limits(max_connections=10, keepalive_expiry=1.0)


class Network:
    """Gives the resolver's answers, one after another, and notes where connections go; all are closed ports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tried: list[str] = []
        self.answers: Iterator[list[str]] = iter(())
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", self._resolve)
        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", self._connect)

    async def _resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in next(self.answers)]

    async def _connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.tried.append(address[0])
        raise ConnectionRefusedError(errno.ECONNREFUSED, "closed")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


async def post(url: str, *allowed: str, public: bool = True, connect_seconds: float = 5.0) -> None:
    transport = GuardedTransport(parse_networks(allowed), LIMITS, public=public)
    try:
        timeout = {"timeout": {"connect": connect_seconds}}
        await transport.handle_async_request(httpx.Request("POST", url, content=b"{}", extensions=timeout))
    finally:
        await transport.aclose()


async def test_the_connection_is_made_to_the_checked_address_not_to_the_name(network: Network) -> None:
    network.answers = iter([["1.1.1.1"]])
    with pytest.raises(httpx.ConnectError):
        await post("https://api.example.org/")
    assert network.tried == ["1.1.1.1"]


async def test_a_name_that_resolves_elsewhere_later_is_refused_then(network: Network) -> None:
    network.answers = iter([["1.1.1.1"], ["127.0.0.1"]])
    for _ in range(2):
        with pytest.raises(httpx.ConnectError):
            await post("https://rebinding.example.org/")
    assert network.tried == ["1.1.1.1"]


async def test_one_private_answer_among_public_ones_refuses_all(network: Network) -> None:
    network.answers = iter([["1.1.1.1", "169.254.169.254"]])
    with pytest.raises(httpx.ConnectError):
        await post("https://mixed.example.org/")
    assert network.tried == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "2130706433", "127.1", "0x7f.1"]
)
async def test_an_address_in_the_url_is_checked_without_a_resolver(network: Network, host: str) -> None:
    network.answers = iter([["127.0.0.1"]])
    with pytest.raises(httpx.HTTPError):
        await post(f"https://{host}/")
    assert network.tried == []


async def test_the_next_address_is_tried_when_one_is_closed(network: Network) -> None:
    network.answers = iter([["1.1.1.1", "1.0.0.1"]])
    with pytest.raises(httpx.ConnectError):
        await post("https://api.example.org/")
    assert network.tried[:2] == ["1.1.1.1", "1.0.0.1"]


async def test_without_tls_only_allowed_networks_will_do(network: Network) -> None:
    network.answers = iter([["1.1.1.1"], ["10.1.2.3"]])
    for host in ("public", "inside"):
        with pytest.raises(httpx.ConnectError):
            await post(f"http://{host}.example.org/", "10.0.0.0/8", public=False)
    assert network.tried == ["10.1.2.3"]


async def test_a_name_without_an_address_is_a_connect_error(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(httpx.ConnectError):
        await post("https://nowhere.example.org/")


async def test_a_resolver_that_hangs_is_a_connect_timeout(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(httpx.ConnectTimeout):
        await post("https://slow.example.org/", connect_seconds=0.02)


async def test_all_addresses_together_have_one_time_limit(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Any, sock: socket.socket, address: tuple[str, int]) -> None:
        network.tried.append(address[0])
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", never)
    network.answers = iter([["1.1.1.1", "1.0.0.1", "8.8.8.8"]])
    with pytest.raises(httpx.HTTPError):
        await post("https://api.example.org/", connect_seconds=0.02)
    assert network.tried == ["1.1.1.1"]
