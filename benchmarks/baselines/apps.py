"""ASGI applications that do next to nothing: the upper bounds that the gateway's cells are held against."""

import asyncio
import hashlib
import re
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
#: What a question says to have its answer come slowly.
PACED = re.compile(rb"\((\d+) pieces, (\d+) ms apart\)")


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
    """An OpenAI-compatible provider that always says the same. `GET /ledger` counts its answers.

    It says it at once, but for streams whose question holds, say, "(100 pieces, 200 ms apart)".
    """

    def __init__(self) -> None:
        self._calls = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if scope["method"] == "GET":
            await _answer(send, orjson.dumps({"calls": self._calls}))
            return
        self._calls += 1
        if b'"stream":true' in body or b'"stream": true' in body:
            await _stream(send, PACED.search(body))
        else:
            await _answer(send, COMPLETION)


def _completion() -> bytes:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return orjson.dumps({**_head("chat.completion"), "choices": [choice], "usage": USAGE})


def _head(kind: str) -> dict[str, Any]:
    return {"id": "canned-1", "object": kind, "created": 1_767_225_600, "model": "small-1"}


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    """Return one piece of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: %b\n\n" % orjson.dumps({**_head("chat.completion.chunk"), "choices": [choice]})


def _ending() -> bytes:
    """Return what follows the last piece: the usage, which our gateway always asks for, and the end marker."""
    usage = orjson.dumps({**_head("chat.completion.chunk"), "choices": [], "usage": USAGE})
    return b"data: %b\n\ndata: [DONE]\n\n" % usage


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


async def _stream(send: Send, paced: re.Match[bytes] | None) -> None:
    """Send the answer a word each; paced: so many words, so many ms apart."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in (FIRST, *WORDS) if paced is None else ():
        await send({"type": "http.response.body", "body": event, "more_body": True})
    if paced is not None:
        await _pace(send, pieces=int(paced[1]), apart_s=int(paced[2]) / 1000)
    for event in (LAST, ENDING):
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _pace(send: Send, *, pieces: int, apart_s: float) -> None:
    """Send each piece when it is due: one that is late makes no later ones late."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(pieces):
        await asyncio.sleep(began + number * apart_s - loop.time())
        event = FIRST if number == 0 else WORDS[number % len(WORDS)]
        await send({"type": "http.response.body", "body": event, "more_body": True})


USAGE = {"prompt_tokens": 16, "completion_tokens": 42, "total_tokens": 58}
COMPLETION = _completion()
FIRST = _event({"role": "assistant", "content": ""})
WORDS = tuple(_event({"content": f"{word} "}) for word in TEXT.split())
LAST = _event({}, "stop")
ENDING = _ending()
