"""The guard with a resolver and a network of the test's own making."""

import asyncio
import socket
from typing import Any

import httpcore
import pytest

from gateway.address_guard import GuardedBackend
from routing.base_urls import parse_networks


class Network(httpcore.AsyncNetworkBackend):
    """Notes where connections go; addresses in `closed` refuse them."""

    def __init__(self, *closed: str) -> None:
        self.tried: list[str] = []
        self._closed = closed

    async def connect_tcp(self, host: str, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self.tried.append(host)
        if host in self._closed:
            raise httpcore.ConnectError("closed")
        return httpcore.AsyncNetworkStream()


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let the loop's resolver give these answers, one after another."""
    waiting = list(answers)

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in waiting.pop(0)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


async def test_the_connection_is_made_to_the_checked_address_not_to_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve(monkeypatch, ["1.1.1.1"])
    network = Network()
    await GuardedBackend((), backend=network).connect_tcp("api.example.org", 443)
    assert network.tried == ["1.1.1.1"]


async def test_a_name_that_resolves_elsewhere_later_is_refused_then(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    network = Network()
    guard = GuardedBackend((), backend=network)
    await guard.connect_tcp("rebinding.example.org", 443)
    with pytest.raises(httpcore.ConnectError):
        await guard.connect_tcp("rebinding.example.org", 443)
    assert network.tried == ["1.1.1.1"]


async def test_one_private_answer_among_public_ones_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["1.1.1.1", "169.254.169.254"])
    network = Network()
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend((), backend=network).connect_tcp("mixed.example.org", 443)
    assert network.tried == []


async def test_the_next_address_is_tried_when_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["1.1.1.1", "1.0.0.1"])
    network = Network("1.1.1.1")
    await GuardedBackend((), backend=network).connect_tcp("api.example.org", 443)
    assert network.tried == ["1.1.1.1", "1.0.0.1"]


async def test_without_tls_only_allowed_networks_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["1.1.1.1"], ["10.1.2.3"])
    network = Network()
    guard = GuardedBackend(parse_networks(["10.0.0.0/8"]), public=False, backend=network)
    with pytest.raises(httpcore.ConnectError):
        await guard.connect_tcp("public.example.org", 80)
    await guard.connect_tcp("inside.example.org", 80)
    assert network.tried == ["10.1.2.3"]


async def test_a_resolver_that_hangs_is_a_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(httpcore.ConnectTimeout):
        await GuardedBackend((), backend=Network()).connect_tcp("slow.example.org", 443, timeout=0.02)


async def test_unix_sockets_are_never_connected_to() -> None:
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend((), backend=Network()).connect_unix_socket("/var/run/docker.sock")
