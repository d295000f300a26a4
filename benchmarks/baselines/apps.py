"""ASGI applications that do next to nothing: the upper bounds that the gateway's cells are held against."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import redis.asyncio

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ECHO = orjson.dumps({"answer": "x" * 286})
TEXT = (
    "It is some way, and which one is best depends on the season: the direct road is short but crosses the "
    "hills, the coast is longer and mostly flat. Most travellers fly, which takes a few hours with one stop."
)
PREFIX = "bench:answer:"
#: Answers are spread over so many keys: two hexadecimal digits.
STORED = 256


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Read the body and answer with some 300 bytes."""
    await _body(receive)
    await _answer(send, ECHO)


class EchoGet:
    """Parse the body, take its SHA-256, and answer with what one GET from Redis says (some 400 bytes)."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._client: redis.asyncio.Redis | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        client = self._client or await self._open()
        body = await _body(receive)
        orjson.loads(body or b"{}")
        stored = await client.get(PREFIX + hashlib.sha256(body).hexdigest()[:2])
        assert isinstance(stored, bytes)
        await _answer(send, stored)

    async def _open(self) -> redis.asyncio.Redis:
        client = redis.asyncio.Redis.from_url(self._url)
        value = orjson.dumps({"answer": "x" * 386})
        await client.mset({f"{PREFIX}{number:02x}": value for number in range(STORED)})
        self._client = client
        return client


class CannedUpstream:
    """An OpenAI-compatible provider that always says the same, at once. `GET /ledger` counts its answers."""

    def __init__(self) -> None:
        self._calls = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if scope["method"] == "GET":
            await _answer(send, orjson.dumps({"calls": self._calls}))
            return
        self._calls += 1
        if b'"stream":true' in body or b'"stream": true' in body:
            await _stream(send)
        else:
            await _answer(send, COMPLETION)


def _completion() -> bytes:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 16, "completion_tokens": 42, "total_tokens": 58}
    return orjson.dumps({**_head("chat.completion"), "choices": [choice], "usage": usage})


def _head(kind: str) -> dict[str, Any]:
    return {"id": "canned-1", "object": kind, "created": 1_767_225_600, "model": "small-1"}


def _events() -> list[bytes]:
    """Return the same answer as server-sent events, a word each."""
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": f"{word} "}, None) for word in TEXT.split()
    ]
    chunks = (
        {**_head("chat.completion.chunk"), "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in (*deltas, ({}, "stop"))
    )
    return [*(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


COMPLETION = _completion()
EVENTS = _events()
