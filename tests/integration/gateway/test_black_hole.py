"""An address that takes no connection and refuses none: packets vanish there."""

import socket
from collections.abc import Iterator

import pytest

from gateway.failures import FailureKind, UpstreamFailure
from gateway.upstream import HttpxUpstream
from tests.demo_upstream import access, key, target, within


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose queue of connections is full: what else comes is dropped."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            waiting.append(client)
        yield port
        for client in waiting:
            client.close()


async def test_connecting_has_a_deadline_of_its_own(upstream: HttpxUpstream, black_hole: int) -> None:
    with pytest.raises(UpstreamFailure) as caught:
        await upstream.ask(
            target("small-1"),
            access(f"http://127.0.0.1:{black_hole}/v1"),
            key(),
            {"messages": [{"role": "user", "content": "Hi"}]},
            deadlines=within(30, connect_s=0.3),
        )
    assert caught.value.kind is FailureKind.CONNECT
