"""TLS is never weakened by connecting to an address instead of a name."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from gateway.address_guard import GuardedTransport
from gateway.failures import FailureKind, UpstreamFailure
from gateway.upstream import HttpxUpstream
from routing.base_urls import parse_networks
from tests.certificates import certificate
from tests.demo_upstream import access, key, target, within

LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class TlsServer:
    """Answers every request with the server name and the Host that it was asked by."""

    def __init__(self, file: Path) -> None:
        self.names: list[str | None] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"host:"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(host) + host)
        await writer.drain()
        writer.close()


def trusting(file: Path, monkeypatch: pytest.MonkeyPatch) -> GuardedTransport:
    """Return a transport that trusts this certificate as it would trust an authority's."""
    monkeypatch.setattr(
        "gateway.address_guard.httpx.create_ssl_context",
        lambda **_: ssl.create_default_context(cafile=str(file)),
    )
    return GuardedTransport(parse_networks(["127.0.0.0/8", "::1/128"]), LIMITS)


async def test_host_and_server_name_stay_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path, "localhost")
    transport, server = trusting(file, monkeypatch), TlsServer(file)
    async with server as port, httpx.AsyncClient(transport=transport, trust_env=False) as client:
        answer = await client.get(f"https://localhost:{port}/")
        assert answer.text.lower() == f"host: localhost:{port}"
    assert server.names == ["localhost"]


async def test_a_certificate_of_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path, "elsewhere.example")
    transport = trusting(file, monkeypatch)
    async with TlsServer(file) as port, httpx.AsyncClient(transport=transport, trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"https://localhost:{port}/")


async def test_a_certificate_that_nobody_vouches_for_is_a_connection_failure(tmp_path: Path) -> None:
    upstream = HttpxUpstream()
    async with TlsServer(certificate(tmp_path, "localhost")) as port:
        with pytest.raises(UpstreamFailure) as caught:
            await upstream.ask(
                target("small-1"),
                access(f"https://localhost:{port}/v1"),
                key(),
                {"messages": []},
                deadlines=within(60),
            )
    await upstream.aclose()
    assert caught.value.kind is FailureKind.CONNECT
