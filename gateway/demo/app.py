"""The demo upstream: an OpenAI-compatible provider over ASGI that costs nothing and always says the same.

`POST /v1/chat/completions` (SSE with `stream`), `GET /v1/models`, and for tests `GET /ledger`, `DELETE /ledger`.
Any non-empty bearer key is accepted. `x-demo-latency-ms` sets how long one answer takes.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson

from gateway.demo import answers, faults
from gateway.demo.faults import Fault, Faults
from gateway.demo.ledger import Ledger

MODELS = ("small-1", "large-1")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MOST_BYTES = 32 * 1024 * 1024
_TOKEN = re.compile(r"\w+|[^\w\s]")
# Fixed, so that the same question has the very same answer.
_CREATED = 1_767_225_600


class DemoUpstream:
    """The ASGI application."""

    def __init__(self, *, latency_ms: int) -> None:
        self._latency_ms = latency_ms
        self._ledger = Ledger()
        self._faults = Faults()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match (scope["method"], scope["path"]):
            case ("POST", "/v1/chat/completions"):
                await self._chat(scope, receive, send)
            case ("GET", "/v1/models"):
                data = [{"id": name, "object": "model", "owned_by": "demo"} for name in MODELS]
                await _send_json(send, {"object": "list", "data": data})
            case ("GET", "/ledger"):
                await _send_json(send, self._ledger.report())
            case ("DELETE", "/ledger"):
                self._ledger, self._faults = Ledger(), Faults()
                await _send_json(send, self._ledger.report())
            case ("GET", "/livez"):
                await _send_json(send, {"status": "ok"})
            case _:
                await _send_error(send, 404, "not_found", "There is nothing here.")

    async def _chat(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = _parse(await _read(receive))
        authorization = headers.get("authorization", "")
        if not authorization.removeprefix("Bearer ").strip() or not authorization.startswith("Bearer "):
            await _send_error(send, 401, "invalid_api_key", "A bearer key is needed.")
            return
        if body is None:
            await _send_error(send, 400, "invalid_request", "model and messages are needed.")
            return
        prompt = _last_user_text(body["messages"])
        fault = self._faults.due(body["model"], prompt)
        self._ledger.add(model=body["model"], prompt=prompt, fault=fault.name if fault else None)
        latency = _latency(headers.get("x-demo-latency-ms"), self._latency_ms) / 1000
        if fault and not fault.in_answer:
            await faults.commit(fault, authorization, send)
            return
        completion = _completion(body, fault)
        if body.get("stream") is True:
            await _stream(completion, body, latency, send)
            return
        await asyncio.sleep(latency)
        await _send_json(send, completion)


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return None
    messages = body.get("messages")
    valid = isinstance(messages, list) and messages and all(isinstance(m, dict) for m in messages)
    return body if valid else None


def _completion(body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """The whole answer: the same for the same body."""
    text, finish_reason = _limited(_text(body), body.get("max_completion_tokens") or body.get("max_tokens"))
    asked = sum(4 + _tokens(answers.text_of(message.get("content"))) for message in body["messages"])
    answered = _tokens(text)
    completion: dict[str, Any] = {
        "id": "demo-" + hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24],
        "object": "chat.completion",
        "created": _CREATED,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
    return faults.spoil(fault, completion) if fault else completion


def _text(body: dict[str, Any]) -> str:
    before = [answers.text_of(message.get("content")) for message in body["messages"][:-1]]
    text = answers.answer(_last_user_text(body["messages"]), before, body["model"])
    wished = body.get("response_format")
    if isinstance(wished, dict) and wished.get("type") in ("json_object", "json_schema"):
        return orjson.dumps({"answer": text}).decode()
    return text


def _limited(text: str, most: object) -> tuple[str, str]:
    """Cut the text after so many tokens, as a provider would."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    if isinstance(most, int) and 0 < most < len(ends):
        return text[: ends[most - 1]], "length"
    return text, "stop"


async def _stream(completion: dict[str, Any], body: dict[str, Any], latency: float, send: Send) -> None:
    """Send the answer in pieces: the first after a third of the latency, the last at its end."""
    pieces = list(_pieces(completion["choices"][0]["message"]["content"]))
    options = body.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    await asyncio.sleep(latency / 3)
    await _start(send, 200, "text/event-stream; charset=utf-8")
    for piece in pieces:
        await _send_event(send, _chunk(completion, {"content": piece}, None, with_usage))
        await asyncio.sleep(latency * 2 / 3 / len(pieces))
    await _send_event(send, _chunk(completion, {}, completion["choices"][0]["finish_reason"], with_usage))
    if with_usage:
        await _send_event(
            send, {**_chunk(completion, {}, None, False), "choices": [], "usage": completion["usage"]}
        )
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def _pieces(text: str) -> Iterator[str]:
    yield from re.findall(r"\s*\S+\s*?", text) or [""]


def _chunk(
    completion: dict[str, Any], delta: dict[str, str], finish_reason: str | None, with_usage: bool
) -> dict[str, Any]:
    return {
        "id": completion["id"],
        "object": "chat.completion.chunk",
        "created": completion["created"],
        "model": completion["model"],
        "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish_reason}],
        **({"usage": None} if with_usage else {}),
    }


def _last_user_text(messages: list[dict[str, Any]]) -> str:
    texts = (
        answers.text_of(message.get("content"))
        for message in reversed(messages)
        if message.get("role") == "user"
    )
    return next(texts, "")


def _tokens(text: str) -> int:
    return len(_TOKEN.findall(text))


def _latency(header: str | None, default: int) -> int:
    return min(int(header), 600_000) if header is not None and header.isdecimal() else default


async def _read(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        more = (
            message["type"] == "http.request" and message.get("more_body", False) and len(body) < _MOST_BYTES
        )
        body += message.get("body", b"")
    return bytes(body)


async def _start(send: Send, status: int, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_json(send: Send, value: object, status: int = 200) -> None:
    await _start(send, status, "application/json")
    await send({"type": "http.response.body", "body": orjson.dumps(value)})


async def _send_error(send: Send, status: int, code: str, message: str) -> None:
    await _send_json(
        send, {"error": {"message": message, "type": "invalid_request_error", "code": code}}, status
    )


async def _send_event(send: Send, value: object) -> None:
    await send(
        {"type": "http.response.body", "body": b"data: %b\n\n" % orjson.dumps(value), "more_body": True}
    )
