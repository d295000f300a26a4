"""The real client against a server that notes every byte and every connection, and can misbehave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.failures import FailureKind, UpstreamFailure
from gateway.upstream import HttpxUpstream, UpstreamAnswer
from tests.demo_upstream import access, key, target, within

BODY = (
    b'{"id":"x-1","choices":[{"message":{"role":"assistant","content":"Paris."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1}}'
)


def answer(body: bytes = BODY, *lines: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"content-type: application/json", b"content-length: %d" % len(body), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


OK = answer()
HANG_UP = b""


class Server:
    """Gives each request the next answer (the last one for ever); HANG_UP closes the connection instead."""

    def __init__(self) -> None:
        self.answers = [OK]
        self.closes = False
        """Whether each connection is closed after one answer, without saying so."""
        self.connects = 0
        self.requests: list[tuple[str, bytes]] = []
        """Head in lower case, body."""
        self.ended = asyncio.Event()
        """Set when a client closes its connection."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        try:
            while raw := await self._next_answer(reader):
                writer.write(raw)
                await writer.drain()
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()
        finally:
            writer.close()

    async def _next_answer(self, reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.requests.append((head, await reader.readexactly(size)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


async def ask(
    upstream: HttpxUpstream, server: Server, *, secret: str = "sk-one-000000", **fields: Any
) -> UpstreamAnswer:
    body = {"messages": [{"role": "user", "content": "Hi"}], **fields}
    return await upstream.ask(
        target("small-1"), access(server.base_url), key(secret), body, deadlines=within(60)
    )


async def failure(upstream: HttpxUpstream, server: Server, **fields: Any) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as caught:
        await ask(upstream, server, **fields)
    return caught.value


async def test_many_calls_in_a_row_take_one_connection_and_one_request_each(
    upstream: HttpxUpstream, server: Server
) -> None:
    for _ in range(50):
        assert (await ask(upstream, server)).text == "Paris."
    assert (server.connects, len(server.requests)) == (1, 50)


async def test_a_warm_call_hands_nothing_to_a_thread(
    upstream: HttpxUpstream, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(upstream, server)
    hops: list[object] = []
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", lambda *call: hops.append(call))
    await ask(upstream, server)
    assert hops == []


async def test_calls_at_once_keep_their_connections_for_the_next_ones(
    upstream: HttpxUpstream, server: Server
) -> None:
    for _ in range(3):
        await asyncio.gather(*(ask(upstream, server) for _ in range(8)))
    assert (server.connects, len(server.requests)) == (8, 24)


async def test_what_is_sent_is_exactly_ours(upstream: HttpxUpstream, server: Server) -> None:
    await ask(upstream, server)
    lines = server.requests[0][0].rstrip().split("\r\n")
    assert lines[0] == "post /v1/chat/completions http/1.1"
    names = sorted(line.partition(":")[0] for line in lines[1:])
    assert names == [
        "accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent"
    ]  # fmt: skip
    assert "accept-encoding: identity" in lines
    assert "user-agent: halfpenny" in lines


async def test_cookies_are_never_sent_back(upstream: HttpxUpstream, server: Server) -> None:
    server.answers = [answer(BODY, b"set-cookie: who=alice; path=/")]
    await ask(upstream, server)
    await ask(upstream, server)
    assert not any("cookie" in head for head, _ in server.requests)


async def test_a_key_cannot_bring_headers_of_its_own(upstream: HttpxUpstream, server: Server) -> None:
    for secret in ("sk-1\r\nx-evil: 1", "sk-1\nx-evil: 1", "sk-1\0", "sk-ключ"):
        failed = await failure(upstream, server, secret=secret)
        assert failed.kind is FailureKind.REFUSED_KEY
    assert server.requests == []


async def test_a_long_question_arrives_whole(upstream: HttpxUpstream, server: Server) -> None:
    await ask(upstream, server, user="x" * 3_000_000)
    head, body = server.requests[0]
    assert len(body) > 3_000_000
    assert "transfer-encoding" not in head


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_unseen(
    upstream: HttpxUpstream, server: Server
) -> None:
    server.answers = [OK, HANG_UP, OK]
    await ask(upstream, server)
    assert (await ask(upstream, server, user="x" * 300_000)).text == "Paris."
    assert server.connects == 2
    assert server.requests[1][1] == server.requests[2][1]


async def test_a_new_connection_that_is_closed_without_an_answer_is_a_failure(
    upstream: HttpxUpstream, server: Server
) -> None:
    server.answers = [HANG_UP]
    assert (await failure(upstream, server)).kind is FailureKind.CONNECT
    assert len(server.requests) == 1


async def test_a_request_is_sent_twice_at_most(upstream: HttpxUpstream, server: Server) -> None:
    server.answers = [OK, HANG_UP]
    await ask(upstream, server)
    assert (await failure(upstream, server)).kind is FailureKind.CONNECT
    assert len(server.requests) == 3


async def test_an_answer_that_has_begun_is_never_asked_for_again(
    upstream: HttpxUpstream, server: Server
) -> None:
    await ask(upstream, server)
    server.answers, server.closes = [b"HTTP/1.1 200 OK\r\ncontent-ty"], True
    assert (await failure(upstream, server)).kind is FailureKind.CONNECT
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (
            answer(BODY).replace(b"content-length: %d" % len(BODY), b"content-length: 5000"),
            FailureKind.TRUNCATED,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{",
            FailureKind.TRUNCATED,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + BODY[:-9],
            FailureKind.INVALID_RESPONSE,
        ),
        (answer(BODY, b"content-encoding: gzip"), FailureKind.INVALID_RESPONSE),
        (answer(BODY, b"content-encoding: br"), FailureKind.INVALID_RESPONSE),
    ],
    ids=["short of its length", "cut inside a chunk", "cut, without a length", "gzip", "brotli"],
)
async def test_a_part_of_an_answer_or_an_encoded_one_is_none(
    upstream: HttpxUpstream, server: Server, raw: bytes, kind: FailureKind
) -> None:
    server.answers = [raw]
    server.closes = True
    failed = await failure(upstream, server)
    assert (failed.kind, failed.status) == (kind, 200)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 banana OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-many: x\r\n" * 5_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n12345",
    ],
    ids=["not HTTP", "no status", "a huge header", "many headers", "two lengths"],
)
async def test_a_malformed_head_is_a_connection_failure(
    upstream: HttpxUpstream, server: Server, raw: bytes
) -> None:
    server.answers = [raw]
    assert (await failure(upstream, server)).kind is FailureKind.CONNECT


async def test_a_connection_is_not_kept_when_its_answer_was_not_read_to_the_end(
    upstream: HttpxUpstream, server: Server
) -> None:
    server.answers = [answer(BODY, b"content-encoding: gzip"), OK]
    await failure(upstream, server)
    assert (await ask(upstream, server)).text == "Paris."


async def test_a_cancelled_call_closes_its_connection(upstream: HttpxUpstream, server: Server) -> None:
    server.answers = [answer(BODY)[:-10]]  # the end never comes
    task = asyncio.create_task(ask(upstream, server))
    while not server.requests:  # noqa: ASYNC110 (the other side tells)
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(30):
        await server.ended.wait()
