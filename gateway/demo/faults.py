"""Misbehaviour on request: a model named `fault:NAME[:TIMES[:RETRY_AFTER]]`, or `[[fault:...]]` in the prompt.

NAME is a status from 300 to 599, or one of the names below, or one of streaming.FAULTS, which befall only calls
that ask for a stream. The first TIMES calls fail (all of them, if it is not given), later ones succeed;
`DELETE /ledger` starts counting anew.
"""

import asyncio
import gzip
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.demo import streaming

Send = Callable[[dict[str, Any]], Awaitable[None]]

_FAULT = re.compile(r"fault:([a-z0-9-]+)(?::(\d+))?(?::(\d+))?")
_MARKER = re.compile(r"\[\[(fault:[a-z0-9:-]+)\]\]")
_HUGE_BYTES = 64 * 1024 * 1024
_PIECE = b" " * (256 * 1024)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is to go wrong this time."""

    name: str
    retry_after: str = "1"

    @property
    def in_answer(self) -> bool:
        """Whether the call succeeds with an answer that is spoilt somewhere."""
        return self.name in _SPOILERS or self.name in streaming.FAULTS


class Faults:
    """Counts how often each fault was committed."""

    def __init__(self) -> None:
        self._committed: Counter[str] = Counter()

    def due(self, model: str, prompt: str, *, stream: bool) -> Fault | None:
        """Return what this call is to suffer."""
        marker = _MARKER.search(prompt)
        order = marker.group(1) if marker else model
        match = _FAULT.fullmatch(order)
        if match is None:
            return None
        name, times, retry_after = match.groups()
        if name in streaming.FAULTS and not stream:
            return None
        self._committed[order] += 1
        if times is not None and self._committed[order] > int(times):
            return None
        return Fault(name=name, retry_after=retry_after or "1")


async def commit(fault: Fault, authorization: str, send: Send) -> None:
    """Answer the call in the fault's way."""
    if fault.name.isdecimal() and 300 <= int(fault.name) <= 599:
        await _fail(send, int(fault.name), fault.retry_after, "The demo upstream was asked to fail.")
        return
    match fault.name:
        case "hang":
            await asyncio.sleep(3600)
        case "quota":
            await _fail(send, 429, None, "You have no credit left.", code="insufficient_quota")
        case "echo-key":
            await _fail(send, 401, None, f"Incorrect API key provided: {authorization}")
        case "html":
            await _answer(send, b"<html><body>Bad gateway</body></html>", media_type=b"text/html")
        case "badjson":
            await _answer(send, b'{"choices": [{"message": {"content": "oh')
        case "error200":
            await _answer(send, orjson.dumps({"error": {"message": "overloaded", "code": "overloaded"}}))
        case "gzip":
            await _answer(send, gzip.compress(b"{}"), encoding=b"gzip")
        case "truncated":
            await _pour(send, [b'{"id": "demo-1", "choices": ['], complete=False)
        case "drip":
            await _pour(send, [b" "] * 7200, pause=0.5)
        case "huge":
            await _pour(send, [_PIECE] * (_HUGE_BYTES // len(_PIECE)))
        case _:
            await _fail(send, 400, None, "There is no such fault.")


def spoil(fault: Fault, completion: dict[str, Any]) -> dict[str, Any]:
    """Return the completion with what the fault changes; those of streams leave it as it is."""
    changes = _SPOILERS.get(fault.name)
    return {**completion, **changes(completion)} if changes else completion


def _with_content(content: str | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def changed(completion: dict[str, Any]) -> dict[str, Any]:
        choice = completion["choices"][0]
        return {"choices": [{**choice, "message": {"role": "assistant", "content": content}}]}

    return changed


def _with_usage(usage: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda _completion: {"usage": usage}


_SPOILERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "empty": lambda _completion: {"choices": []},
    "null": _with_content(None),
    "no-usage": _with_usage(None),
    "negative-usage": _with_usage({"prompt_tokens": -5, "completion_tokens": 10}),
    "absurd-usage": _with_usage({"prompt_tokens": 10**15, "completion_tokens": 10}),
}


async def _fail(
    send: Send, status: int, retry_after: str | None, message: str, code: str = "demo_fault"
) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after is not None and status in (429, 503):
        headers.append((b"retry-after", retry_after.encode()))
    if 300 <= status < 400:
        headers.append((b"location", b"http://169.254.169.254/latest/meta-data/"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    error = {"error": {"message": message, "type": "demo_fault", "code": code}}
    await send({"type": "http.response.body", "body": orjson.dumps(error)})


async def _answer(
    send: Send, body: bytes, *, media_type: bytes = b"application/json", encoding: bytes | None = None
) -> None:
    headers = [(b"content-type", media_type)]
    if encoding is not None:
        headers.append((b"content-encoding", encoding))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _pour(send: Send, pieces: list[bytes], *, complete: bool = True, pause: float = 0.0) -> None:
    """Send a body in pieces; an incomplete one is broken off by closing the connection."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(pause)
    if complete:
        await send({"type": "http.response.body", "body": b""})
