"""The demo upstream's answer as a stream of events, whole or broken in one of the ways of `FAULTS`."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson

from gateway.demo import completion

Send = Callable[[dict[str, Any]], Awaitable[None]]

#: Ways in which a stream goes wrong. Calls that ask for no stream are answered as if there were none of these.
FAULTS = frozenset(
    {
        "stream-cut",  # the connection breaks after three chunks
        "stream-stall",  # silence after three chunks
        "stream-drip",  # a byte every half second
        "stream-endless",  # never comes to an end
        "stream-empty",  # ends before anything came
        "stream-html",  # a web page
        "stream-prose",  # a web page that says it is a stream
        "stream-badjson",  # one event isn't JSON
        "stream-error",  # an error event after three chunks, then the end
        "stream-big-event",  # one event of 5 MB
        "stream-split",  # nothing wrong, but every byte comes by itself
        "stream-no-done",  # ends properly, without [DONE]
        "stream-no-finish",  # [DONE] without a finish_reason
        "stream-no-usage",  # no usage, asked for or not
        "first-token-hang",  # the head, then silence
    }
)
DONE = b"data: [DONE]\n\n"

_FOREVER = 3600.0
_DRIP_SECONDS = 0.5
_ENDLESS_SECONDS = 0.002
_CHUNKS_BEFORE = 3
_BIG_BYTES = 5 * 1024 * 1024
_ARGUMENTS = re.compile(r".{1,6}", re.DOTALL)
_PAGE = b"<html><body>Bad gateway</body></html>"
_ERROR = {
    "error": {"message": "The demo upstream was asked to fail.", "type": "server_error", "code": "demo_fault"}
}


async def send_stream(
    answer: dict[str, Any], body: dict[str, Any], latency: float, send: Send, fault: str | None
) -> None:
    """Send the answer in pieces: the first after a third of the latency, the last at its end."""
    await asyncio.sleep(latency / 3)
    media_type = b"text/html" if fault == "stream-html" else b"text/event-stream; charset=utf-8"
    headers = [(b"content-type", media_type)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if fault == "first-token-hang":
        await asyncio.sleep(_FOREVER)
    events = list(_events(answer, body, fault))
    pause = latency * 2 / 3 / max(1, len(events))
    for place, event in enumerate(events):
        if place == _CHUNKS_BEFORE and fault == "stream-cut":
            return
        if place == _CHUNKS_BEFORE and fault in ("stream-stall", "stream-endless"):
            await _go_on(events[place - 1], send, endless=fault == "stream-endless")
        await _send_bytes(event, send, fault)
        await asyncio.sleep(pause)
    await send({"type": "http.response.body", "body": b""})


async def _go_on(event: bytes, send: Send, *, endless: bool) -> None:
    while endless:
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.sleep(_ENDLESS_SECONDS)
    await asyncio.sleep(_FOREVER)


async def _send_bytes(event: bytes, send: Send, fault: str | None) -> None:
    if fault not in ("stream-split", "stream-drip"):
        await send({"type": "http.response.body", "body": event, "more_body": True})
        return
    for byte in event:
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        # Each byte is a write of its own, so that the caller can get it by itself.
        await asyncio.sleep(_DRIP_SECONDS if fault == "stream-drip" else 0)


def _events(answer: dict[str, Any], body: dict[str, Any], fault: str | None) -> Iterator[bytes]:
    """Yield what is sent, event by event."""
    match fault:
        case "stream-empty":
            return
        case "stream-html" | "stream-prose":
            yield _PAGE
            return
    chunks = [_event(chunk) for chunk in _chunks(answer, body, fault)]
    middle = min(_CHUNKS_BEFORE, len(chunks))
    yield from chunks[:middle]
    match fault:
        case "stream-badjson":
            yield b'data: {"choices": [{"index": 0, "delta": {"content": "oh\n\n'
        case "stream-big-event":
            yield _event({"choices": [], "padding": "x" * _BIG_BYTES})
        case "stream-error":
            yield _event(_ERROR)
            return
    yield from chunks[middle:]
    if fault != "stream-no-done":
        yield DONE


def _chunks(answer: dict[str, Any], body: dict[str, Any], fault: str | None) -> Iterator[dict[str, Any]]:
    options = body.get("stream_options")
    with_usage = (
        isinstance(options, dict) and options.get("include_usage") is True and fault != "stream-no-usage"
    )
    for choice in answer["choices"]:
        finish_reason = None if fault == "stream-no-finish" else choice["finish_reason"]
        for place, (delta, logprobs) in enumerate(_deltas(choice, completion.alternatives_wished(body))):
            first = {"role": "assistant"} if place == 0 else {}
            told = {"index": choice["index"], "delta": {**first, **delta}, "logprobs": logprobs}
            yield _chunk(answer, [{**told, "finish_reason": None}], with_usage)
        last = {"index": choice["index"], "delta": {}, "logprobs": None, "finish_reason": finish_reason}
        yield _chunk(answer, [last], with_usage)
    if with_usage:
        yield {**_chunk(answer, [], with_usage), "usage": answer["usage"]}


def _deltas(choice: dict[str, Any], alternatives: int | None) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the choice's message in pieces, each with its log probabilities."""
    message = choice["message"]
    for piece in completion.pieces(message.get("reasoning_content") or ""):
        yield {"reasoning_content": piece}, None
    text = message["content"]
    for piece in (completion.pieces(text) or [""]) if text is not None else ():
        yield (
            {"content": piece},
            None if alternatives is None else completion.logprobs_of(piece, alternatives),
        )
    for index, call in enumerate(message.get("tool_calls") or ()):
        opened = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{**call, "index": index, "function": opened}]}, None
        for part in _ARGUMENTS.findall(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}, None


def _chunk(answer: dict[str, Any], choices: list[dict[str, Any]], with_usage: bool) -> dict[str, Any]:
    return {
        "id": answer["id"],
        "object": "chat.completion.chunk",
        "created": answer["created"],
        "model": answer["model"],
        "system_fingerprint": answer["system_fingerprint"],
        "choices": choices,
        **({"usage": None} if with_usage else {}),
    }


def _event(value: object) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)
