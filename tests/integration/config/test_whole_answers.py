"""The server's extension sends what uvicorn's own two messages would send."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from config.whole_answers import EXTENSION, WholeAnswerProtocol

HEAD = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
LINES = b"content-type: text/plain\r\ncontent-length: 5\r\n"
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer /whole by the extension, and everything else by messages."""
    await receive()
    if scope["path"] == "/whole":
        assert scope["extensions"][EXTENSION](200, LINES, b"hello")
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": b"hello"})
    if scope["path"] == "/late":
        assert not scope["extensions"][EXTENSION](200, LINES, b"again")


@asynccontextmanager
async def served(serve: Application = application) -> AsyncIterator[int]:
    """Serve an application; yield the port."""
    server = uvicorn.Server(
        uvicorn.Config(
            serve,
            port=0,
            http=WholeAnswerProtocol,
            lifespan="off",
            log_config=None,
            server_header=False,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def exchange(port: int, request: bytes) -> bytes:
    """Send the bytes and return all that comes until the server closes, or is silent for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    received = b""
    try:
        async with asyncio.timeout(0.5):
            while data := await reader.read(65_536):
                received += data
        received += b"<closed>"
    except TimeoutError:
        received += b"<open>"
    writer.close()
    return re.sub(rb"date: [^\r]+", b"date: now", received)


def post(path: bytes, version: bytes = b"1.1", *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"POST %b HTTP/%b\r\nhost: x\r\n%bcontent-length: 2\r\n\r\nhi" % (path, version, lines)


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        (b"1.1", ()),
        (b"1.1", (b"connection: close",)),
        (b"1.0", ()),
        (b"1.0", (b"connection: keep-alive",)),
        (b"1.1", (b"expect: 100-continue",)),
    ],
)
async def test_a_whole_answer_is_the_same_bytes_and_the_same_ending(
    version: bytes, headers: tuple[bytes, ...]
) -> None:
    async with served() as port:
        whole = await exchange(port, post(b"/whole", version, *headers))
        parts = await exchange(port, post(b"/parts", version, *headers))
    assert whole == parts
    assert b"200 OK" in whole


async def test_pipelined_requests_are_answered_in_order_whichever_way() -> None:
    async with served() as port:
        received = await exchange(port, post(b"/whole") + post(b"/parts") + post(b"/whole"))
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b"hello") == 3
    assert received.endswith(b"<open>")


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(post(b"/whole"))
            answer = await reader.readuntil(b"hello")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_an_answer_that_began_is_not_sent_again() -> None:
    async with served() as port:
        received = await exchange(port, post(b"/late"))
    assert b"again" not in received
    assert received.count(b"hello") == 1


async def test_a_caller_who_reads_slowly_gets_messages_that_can_wait() -> None:
    refused: list[bool] = []

    async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        whole = scope["extensions"][EXTENSION]
        whole.args[0].flow.pause_writing()
        refused.append(not whole(200, LINES, b"hello"))
        whole.args[0].flow.resume_writing()
        await application({**scope, "path": "/parts"}, receive, send)

    async with served(slow) as port:
        received = await exchange(port, post(b"/whole"))
    assert (refused, b"hello" in received) == ([True], True)
