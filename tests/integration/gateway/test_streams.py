"""Streams over real sockets: pieces that come as they are made, callers who go away, silent upstreams."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
import redis
from pytest_django import Settings

from analytics.record import CallRecord
from analytics.wire import FIELD, STREAM, lines_of
from config.whole_answers import WholeAnswerProtocol
from tests.gateway_house import House, bearer
from tests.serving import serving
from tests.sse import events
from tests.web_processes import running_web

ROUTE = "/v1/chat/completions"
CAPITAL = "What is the capital of France?"


def question(prompt: str) -> dict[str, Any]:
    return {"model": "small-1", "messages": [{"role": "user", "content": prompt}], "stream": True}


@asynccontextmanager
async def streaming(house: House, prompt: str) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[bytes]]]:
    """Ask over a socket; give the answer's head and its pieces as they come."""
    async with (
        serving(WholeAnswerProtocol) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
        client.stream("POST", ROUTE, headers=bearer(house.alice), json=question(prompt)) as response,
    ):
        yield response, response.aiter_raw()


async def until(holds: Callable[[], object | Awaitable[object]], seconds: float = 30.0) -> None:
    """Wait until this holds; the seconds only end a test that would never do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        held = holds()
        if await held if isinstance(held, Awaitable) else held:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came about")


async def last_record(house: House) -> CallRecord:
    await until(lambda: house.records)
    return house.records[-1]


async def test_pieces_come_while_the_upstream_still_speaks(house: House) -> None:
    async with streaming(house, f"[[fault:stream-stall]] {CAPITAL}") as (response, pieces):
        assert response.headers["x-gateway-cache"] == "miss"
        assert response.headers["x-accel-buffering"] == "no"
        first = events(await anext(pieces))
        assert first[0]["choices"][0]["delta"]["content"]
        assert house.demo.ledger()["open"] == 1
        assert house.records == []


async def test_a_caller_who_hangs_up_ends_the_call_upstream_too(house: House) -> None:
    async with streaming(house, f"[[fault:stream-stall]] {CAPITAL}") as (_, pieces):
        await anext(pieces)
    await until(lambda: house.demo.ledger()["open"] == 0)
    [call] = house.demo.ledger()["last"]
    assert call["hung_up"]
    record = await last_record(house)
    assert (record.status, record.stream, record.estimated) == (499, True, True)
    assert record.output_tokens > 0
    assert record.cost_nano > 0
    assert await house.status(house.alice, CAPITAL) == "miss"


async def test_an_upstream_that_falls_silent_ends_the_stream(house: House, settings: Settings) -> None:
    settings.UPSTREAM_BETWEEN_CHUNKS_SECONDS = 0.3
    async with streaming(house, f"[[fault:stream-stall]] {CAPITAL}") as (_, pieces):
        received = b"".join([piece async for piece in pieces])
    *chunks, last = events(received)
    assert chunks
    assert last["error"]["code"] == "upstream_stalled"
    assert (await last_record(house)).status == 504


async def test_no_first_piece_is_an_http_status(house: House, settings: Settings) -> None:
    settings.UPSTREAM_FIRST_TOKEN_SECONDS = 0.2
    settings.UPSTREAM_TOTAL_SECONDS = 3.0
    async with streaming(house, f"[[fault:first-token-hang]] {CAPITAL}") as (response, _):
        assert response.status_code == 504
        assert json.loads(await response.aread())["error"]["code"] == "upstream_timeout"
        assert response.headers["x-should-retry"] == "false"
    assert (await last_record(house)).attempts[0]["reason"] == "timeout"


async def test_whoever_reads_nothing_is_let_go(house: House, settings: Settings) -> None:
    settings.STREAM_WRITE_SECONDS = 0.3
    body = json.dumps(question("[[fault:stream-endless]] go on")).encode()
    async with serving(WholeAnswerProtocol, send_buffer=4096) as port:
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(reader, ("127.0.0.1", port))
            head = f"POST {ROUTE} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
            fields = "".join(f"{name}: {value}\r\n" for name, value in bearer(house.alice).items())
            await loop.sock_sendall(reader, f"{head}{fields}\r\n".encode() + body)
            await until(lambda: house.records, seconds=30)
            # Others aren't held up meanwhile.
            assert (await house.ask(house.bob, CAPITAL))["answer"]
    assert house.records[0].status == 499
    await until(lambda: house.demo.ledger()["open"] == 0)


async def test_open_streams_hold_no_database_connection(house: House) -> None:
    async with serving(WholeAnswerProtocol) as port, httpx.AsyncClient(timeout=30, trust_env=False) as client:
        opened = [
            await client.send(
                client.build_request(
                    "POST",
                    f"http://127.0.0.1:{port}{ROUTE}",
                    headers=bearer(house.alice),
                    json=question(f"[[fault:stream-stall]] {number} {CAPITAL}"),
                ),
                stream=True,
            )
            for number in range(20)
        ]
        assert house.demo.ledger()["open"] == 20
        stats = house.parts.database._pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]
        for response in opened:
            await response.aclose()
    await until(lambda: len(house.records) == 20)


async def test_streams_end_with_an_error_before_a_server_that_stops_cuts_them_off(
    house: House, state_redis: "redis.Redis"
) -> None:
    with running_web(drain_seconds=4) as web:
        async with (
            httpx.AsyncClient(timeout=30, trust_env=False) as client,
            client.stream(
                "POST",
                web.url + ROUTE,
                headers=bearer(house.alice),
                json=question(f"[[fault:stream-stall]] {CAPITAL}"),
            ) as response,
        ):
            pieces = response.aiter_raw()
            await anext(pieces)
            web.process.send_signal(signal.SIGTERM)
            rest = b"".join([piece async for piece in pieces])
        assert events(rest)[-1]["error"]["code"] == "draining"
        await asyncio.to_thread(web.process.wait, 60)
    written: Any = state_redis.xrange(STREAM)
    [line] = [line for _, fields in written for line in lines_of(fields[FIELD])]
    assert b'"draining"' in line


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_without_an_answer_are_told_when_a_server_stops(
    house: House, state_redis: "redis.Redis", stream: bool
) -> None:
    with running_web(drain_seconds=2) as web:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            body = {**question(f"[[fault:hang]] {CAPITAL}"), "stream": stream}
            asked = client.post(web.url + ROUTE, headers=bearer(house.alice), json=body)
            # The second follows the first.
            calls = [asyncio.ensure_future(asked)]
            await until(lambda: house.demo.ledger()["open"] == 1)
            calls.append(
                asyncio.ensure_future(client.post(web.url + ROUTE, headers=bearer(house.alice), json=body))
            )
            await asyncio.sleep(0.3)
            # What came before this has been taken up, too.
            await client.get(f"{web.url}/livez")
            web.process.send_signal(signal.SIGTERM)
            for response in await asyncio.gather(*calls):
                assert (response.status_code, response.json()["error"]["code"]) == (503, "draining")
        await asyncio.to_thread(web.process.wait, 60)
    written: Any = state_redis.xrange(STREAM)
    lines = [orjson.loads(line) for _, fields in written for line in lines_of(fields[FIELD])]
    assert [(line["status"], line["error_code"]) for line in lines] == [(503, "draining")] * 2
