import asyncio
import json

import pytest

from benchmarks.client import Connection, Server


class Wire(asyncio.Transport):
    """Takes what is written and answers nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False


async def outcome_of(*pieces: bytes) -> str:
    connection = Connection()
    connection.connection_made(Wire())
    asked = asyncio.ensure_future(connection.ask(b"request"))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    return await asked


async def test_the_outcome_of_a_gateways_answer_is_its_cache_status() -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Gateway-Cache: hit_exact\r\nContent-Length: 2\r\n\r\n{}"

    assert await outcome_of(answer) == "hit_exact"


async def test_an_answer_without_a_lost_layer_says_why_it_was_lost() -> None:
    body = b'{"cache": {"reason": "embedding_timeout"}}'
    head = b"HTTP/1.1 200 OK\r\nx-gateway-cache: error\r\ncontent-length: %d\r\n\r\n" % len(body)

    assert await outcome_of(head, body) == "error embedding_timeout"


async def test_the_outcome_of_any_other_answer_is_its_status_code() -> None:
    assert await outcome_of(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}") == "200"
    refusal = b"HTTP/1.1 503 No\r\nx-gateway-cache: error\r\ncontent-length: 0\r\n\r\n"
    assert await outcome_of(refusal) == "503"


async def test_a_stream_counts_only_with_its_end_marker() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-gateway-cache: miss\r\n"
    whole, cut = b"data: {}\n\ndata: [DONE]\n\n", b"data: {}\n\n"

    assert await outcome_of(head + b"content-length: %d\r\n\r\n" % len(whole), whole) == "miss"
    assert await outcome_of(head + b"content-length: %d\r\n\r\n" % len(cut), cut) == "broken off"


async def test_an_answer_in_pieces_is_complete_with_its_last_byte() -> None:
    head, body = b"HTTP/1.1 401 No\r\ncontent-le", b"ngth: 5\r\n\r\nabc"

    assert await outcome_of(head, body, b"de") == "401"


async def test_a_server_that_hangs_up_is_an_error() -> None:
    connection = Connection()
    connection.connection_made(Wire())
    asked = asyncio.ensure_future(connection.ask(b"request"))
    await asyncio.sleep(0)
    connection.connection_lost(None)

    with pytest.raises(ConnectionResetError):
        await asked


def test_a_post_says_how_long_its_body_is() -> None:
    head, body = Server("http://127.0.0.1:80").post("/chat", "k", {"prompt": "é"}).split(b"\r\n\r\n")

    assert json.loads(body) == {"prompt": "é"}
    assert b"POST /chat HTTP/1.1\r\n" in head
    assert f"content-length: {len(body)}".encode() in head
    assert b"authorization: Bearer k\r\n" in head + b"\r\n"
