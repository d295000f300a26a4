"""Answers that our server sends in one piece are, byte for byte, those that it sends as ASGI's two messages."""

import asyncio
import re

import pytest
from asgiref.sync import sync_to_async
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.whole_answers import WholeAnswerProtocol
from tenants.services import key_issue
from tests.gateway_house import House
from tests.serving import serving

BODY = b'{"prompt": "What is the capital of France?"}'


def request(key: str, *lines: bytes, body: bytes = BODY, version: bytes = b"1.1") -> bytes:
    """Return a question as it stands on the wire; lines: further header lines."""
    length = () if any(line.startswith(b"transfer-encoding") for line in lines) else (_length(body),)
    head = (
        b"POST /chat HTTP/" + version,
        b"host: localhost",
        b"content-type: application/json",
        b"authorization: Bearer " + key.encode(),
        *length,
        *lines,
    )
    return b"\r\n".join((*head, b"", body))


def _length(body: bytes) -> bytes:
    return b"content-length: %d" % len(body)


def chunked(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:], b""))


CLOSE = b"connection: close"


async def said(protocol: type[HttpToolsProtocol], written: bytes) -> bytes:
    """Return all that the server says until it closes the connection."""
    async with serving(protocol) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(written)
        answered = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await writer.wait_closed()
    return answered


_PASSING = re.compile(
    rb"""req_\w{26} | (?<=dur=)[\d.]+ | (?<="total":)[\d.]+ | (?<="upstream":)[\d.]+ | (?<="age_s":)\d+
    | (?<=content-length:\ )\d+ | (?<=ttl=)\d+ | (?<=;r=)\d+ | (?<=;t=)\d+ | (?<=retry-after:\ )\d+
    | (?<=remaining-requests:\ )\d+ | (?<=reset-requests:\ )\d+""",
    re.VERBOSE,
)


def timeless(answered: bytes) -> bytes:
    """Return the bytes less ids, times and what is left of limits; lengths follow from them."""
    return _PASSING.sub(b"0", answered)


@pytest.mark.parametrize(
    "lines",
    [(CLOSE,), (CLOSE, b"expect: 100-continue"), (CLOSE, b"transfer-encoding: chunked")],
)
async def test_a_hit_is_the_same_in_one_piece(house: House, lines: tuple[bytes, ...]) -> None:
    await house.ask(house.alice, "What is the capital of France?")
    body = chunked(BODY) if lines[-1].startswith(b"transfer") else BODY
    await assert_same(request(house.alice, *lines, body=body), hits=1)


async def assert_same(written: bytes, *, hits: int = 0) -> bytes:
    whole, pieces = await said(WholeAnswerProtocol, written), await said(HttpToolsProtocol, written)
    assert timeless(whole) == timeless(pieces)
    assert whole.count(b"x-gateway-cache: hit_exact") == hits
    for head, rest in re.findall(rb"(HTTP/1\.1 \d+ .*?)\r\n\r\n(.*?)(?=HTTP/1\.1|$)", whole, re.DOTALL):
        assert b"content-length: %d" % len(rest) in head or b" 100 " in head
    return whole


async def test_hits_on_a_connection_that_is_kept_are_the_same(house: House) -> None:
    await house.ask(house.alice, "What is the capital of France?")
    pipelined = request(house.alice) * 3 + request(house.alice, CLOSE)
    await assert_same(pipelined, hits=4)


async def test_hits_between_calls_that_take_longer_stay_in_order(house: House) -> None:
    await house.ask(house.alice, "What is the capital of France?")
    other = b'{"prompt": "Why is the sky blue?", "cache": {"mode": "off"}}'
    written = (
        request(house.alice, body=other) + request(house.alice) + request(house.alice, CLOSE, body=other)
    )
    whole = await assert_same(written, hits=1)
    assert re.findall(rb"x-gateway-cache: (\w+)", whole) == [b"bypass", b"hit_exact", b"bypass"]


async def test_an_old_client_is_answered_the_same(house: House) -> None:
    await house.ask(house.alice, "What is the capital of France?")
    await assert_same(request(house.alice, version=b"1.0"), hits=1)


async def test_refusals_are_the_same(house: House) -> None:
    few = await sync_to_async(key_issue)(house.tenant, label="few", requests_per_day=1)
    await house.ask(few.plaintext, "What is the capital of France?")
    assert b" 429 " in await assert_same(request(few.plaintext, CLOSE))
    assert b" 401 " in await assert_same(request("hp_nobody", CLOSE))
