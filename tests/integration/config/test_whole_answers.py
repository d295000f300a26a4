"""The server's extension sends what uvicorn's own two messages would send."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from config.server import DrainingServer
from config.whole_answers import EXTENSION, WholeAnswerProtocol

HEAD = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
LINES = b"content-type: text/plain\r\ncontent-length: 5\r\n"
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer /whole by the extension, and everything else by messages."""
    while (event := await receive())["type"] == "http.request" and event["more_body"]:
        pass
    if event["type"] == "http.disconnect":
        return
    if scope["path"] == "/whole":
        assert scope["extensions"][EXTENSION](200, LINES, b"hello")
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": b"hello"})
    if scope["path"] == "/late":
        assert not scope["extensions"][EXTENSION](200, LINES, b"again")


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server looks ten times a second for requests that are slow."""
    monkeypatch.setattr("config.server._SLOW_TICKS", 1)


@asynccontextmanager
async def served(serve: Application = application, *, request_seconds: float = 60) -> AsyncIterator[int]:
    """Serve an application; yield the port."""
    server = DrainingServer(
        uvicorn.Config(
            serve,
            port=0,
            http=WholeAnswerProtocol,
            lifespan="off",
            log_config=None,
            server_header=False,
            # Its middleware would stand between the server and `at_once`.
            proxy_headers=False,
        ),
        request_seconds=request_seconds,
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def exchange(port: int, request: bytes, *, answers: int = 1) -> bytes:
    """Send the bytes and return all that comes for them, and whether the connection is open or closed then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    received = b""
    # An open connection refuses nonsense, and only then closes.
    with suppress(ConnectionError):
        while len(re.findall(b"hello|quick", received)) < answers and (data := await reader.read(65_536)):
            received += data
        writer.write(b"nonsense\r\n\r\n")
        received += await reader.read()
    writer.close()
    received, refused, _ = received.partition(b"HTTP/1.1 400 Bad Request")
    return re.sub(rb"date: [^\r]+", b"date: now", received) + (b"<open>" if refused else b"<closed>")


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
        received = await exchange(port, post(b"/whole") + post(b"/parts") + post(b"/whole"), answers=3)
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


class Quick:
    """An application that answers /quick at once and says of other requests how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def at_once(self, scope: dict[str, Any], body: bytes) -> tuple[int, bytes, bytes] | None:
        self.asked.append((scope["path"], len(body)))
        return (200, LINES, b"quick") if scope["path"] == "/quick" else None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await application({**scope, "path": "/parts"}, receive, send)


async def test_a_short_request_is_answered_at_once_when_it_is_whole() -> None:
    quick = Quick()
    async with served(quick) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = post(b"/quick")
        writer.write(request[:-1])
        await asyncio.sleep(0.05)
        assert quick.asked == []
        writer.write(request[-1:])
        assert (await reader.readuntil(b"quick")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
    assert quick.asked == [("/quick", 2)]


async def test_what_is_not_answered_at_once_is_run() -> None:
    quick = Quick()
    async with served(quick) as port:
        assert b"hello" in await exchange(port, post(b"/slow"))
    assert quick.asked == [("/slow", 2)]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 32769\r\n\r\n" + b"x" * 32_769,
        b"POST /quick HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        post(b"/quick", b"1.1", b"expect: 100-continue"),
    ],
    ids=["no body", "long", "chunked", "expects"],
)
async def test_other_requests_are_run_as_ever(request_bytes: bytes) -> None:
    quick = Quick()
    async with served(quick) as port:
        assert b"hello" in await exchange(port, request_bytes)
    assert quick.asked == []


async def test_answers_at_once_keep_the_order_of_pipelined_requests() -> None:
    async with served(Quick()) as port:
        requests = post(b"/quick") + post(b"/slow") + post(b"/quick") + post(b"/slow")
        received = await exchange(port, requests, answers=4)
    assert re.findall(b"quick|hello", received) == [b"quick", b"hello", b"quick", b"hello"]


async def test_an_answer_at_once_ends_a_connection_that_is_to_close() -> None:
    async with served(Quick()) as port:
        received = await exchange(port, post(b"/quick", b"1.1", b"connection: close"))
    assert b"connection: close" in received
    assert received.endswith(b"quick<closed>")


async def test_a_caller_who_hangs_up_before_the_end_is_asked_nothing() -> None:
    quick = Quick()
    async with served(quick) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(b"/quick")[:-1])
        await asyncio.sleep(0.05)
        writer.close()
        assert b"quick" in await exchange(port, post(b"/quick"))
    assert quick.asked == [("/quick", 2)]


@pytest.mark.parametrize(
    "part",
    [b"", b"POST /parts HT", b"POST /parts HTTP/1.1\r\nhost: x\r\n", post(b"/parts").removesuffix(b"i")],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_request_that_never_ends_is_closed(part: bytes) -> None:
    async with served(request_seconds=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(part)
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_two_hundred_slow_callers_hold_nobody_up() -> None:
    async with served(request_seconds=1) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"POST /parts HTTP/1.1\r\nx-a: b\r\n")
        assert b"200 OK" in await exchange(port, post(b"/parts"))
        ended = [await asyncio.wait_for(reader.read(), 20) for reader, _ in slow]
        for _, writer in slow:
            writer.close()
    assert ended == [b""] * 200


async def test_a_connection_that_is_kept_between_requests_is_not_slow() -> None:
    async with served(request_seconds=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(post(b"/parts"))
            assert b"200 OK" in await reader.readuntil(b"hello")
            await asyncio.sleep(0.8)
        writer.close()


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_a_request_with_a_body_is_no_websocket_to_wait_on_for_ever(method: bytes) -> None:
    upgrade = (
        b"upgrade: websocket",
        b"connection: upgrade",
        b"sec-websocket-version: 13",
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    async with served() as port:
        received = await exchange(port, post(b"/parts", b"1.1", *upgrade).replace(b"POST", method))
    assert received.startswith(b"HTTP/1.1 ")
