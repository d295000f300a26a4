"""The demo upstream: an OpenAI-compatible provider over ASGI that costs nothing and always says the same.

`POST /v1/chat/completions` (SSE with `stream`), `POST /v1/embeddings`, `GET /v1/models`, and for tests
`GET /ledger`, `DELETE /ledger`. Any non-empty bearer key is accepted. `x-demo-latency-ms` sets how long one answer
takes. `[[reason]]` in the prompt, or a model with "reason" in its name, has it think aloud (`reasoning_content`);
a tool is called when the prompt names it; gateway.demo.faults says how it misbehaves on request.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson

from gateway.demo import completion, embeddings, faults, streaming
from gateway.demo.faults import Faults
from gateway.demo.ledger import Ledger
from gateway.demo.prefixes import Prefixes

MODELS = ("small-1", "large-1")
EMBEDDER = "embed-1"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MOST_BYTES = 32 * 1024 * 1024


class DemoUpstream:
    """The ASGI application."""

    def __init__(self, *, latency_ms: int) -> None:
        self._latency_ms = latency_ms
        self._forget()

    def _forget(self) -> None:
        self._ledger, self._faults, self._prefixes = Ledger(), Faults(), Prefixes()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match (scope["method"], scope["path"]):
            case ("POST", "/v1/chat/completions"):
                await self._chat(scope, receive, send)
            case ("POST", "/v1/embeddings"):
                await self._embed(scope, receive, send)
            case ("GET", "/v1/models"):
                data = [{"id": name, "object": "model", "owned_by": "demo"} for name in (*MODELS, EMBEDDER)]
                await _send_json(send, {"object": "list", "data": data})
            case ("GET", "/ledger"):
                await _send_json(send, self._ledger.report())
            case ("DELETE", "/ledger"):
                self._forget()
                await _send_json(send, self._ledger.report())
            case ("GET", "/livez"):
                await _send_json(send, {"status": "ok"})
            case _:
                await _send_error(send, 404, "not_found", "There is nothing here.")

    async def _chat(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        body = _parse(await _read(receive))
        if not _has_key(headers):
            await _send_error(send, 401, "invalid_api_key", "A bearer key is needed.")
        elif body is None or not _has_messages(body):
            await _send_error(send, 400, "invalid_request", "model and messages are needed.")
        else:
            await self._noted(body, headers, receive, send)

    async def _noted(
        self, body: dict[str, Any], headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        """Answer, with the call's beginning and end in the ledger; a caller who hangs up ends it."""
        streamed = body.get("stream") is True
        prompt = completion.last_user_text(body["messages"])
        fault = self._faults.due(body["model"], prompt, stream=streamed)
        # The ledger may be emptied meanwhile: the call ends in the one that it began in.
        ledger = self._ledger
        entry = ledger.add(
            model=body["model"],
            prompt=prompt,
            fault=fault.name if fault else None,
            stream=streamed,
            fields=sorted(body),
        )
        answering = self._answer(body, headers, fault, send)
        hung_up = True
        try:
            hung_up = await _hung_up_before_the_end_of(answering, receive)
        finally:
            ledger.ended(entry, hung_up=hung_up)

    async def _answer(
        self, body: dict[str, Any], headers: dict[str, str], fault: faults.Fault | None, send: Send
    ) -> None:
        authorization = headers["authorization"]
        latency = _latency(headers.get("x-demo-latency-ms"), self._latency_ms) / 1000
        if fault and not fault.in_answer:
            await faults.commit(fault, authorization, send)
            return
        answer = completion.complete(body, cached_tokens=self._prefixes.cached_tokens(authorization, body))
        if fault:
            answer = faults.spoil(fault, answer)
        if body.get("stream") is True:
            await streaming.send_stream(answer, body, latency, send, fault.name if fault else None)
            return
        await asyncio.sleep(latency)
        await _send_json(send, answer)

    async def _embed(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = _parse(await _read(receive))
        answer = embeddings.embed(body) if body else None
        if not _has_key(_headers(scope)):
            await _send_error(send, 401, "invalid_api_key", "A bearer key is needed.")
        elif answer is None:
            await _send_error(send, 400, "invalid_request", "model and input are needed.")
        else:
            await _send_json(send, answer)


async def _hung_up_before_the_end_of(answering: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Run to the end of the answer, or to the caller's hang-up if that comes first."""
    answer, hang_up = asyncio.ensure_future(answering), asyncio.ensure_future(receive())
    try:
        await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            await answer
            return False
        return True
    finally:
        for task in (answer, hang_up):
            task.cancel()
        await asyncio.gather(answer, hang_up, return_exceptions=True)


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _has_key(headers: dict[str, str]) -> bool:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return scheme == "Bearer" and bool(key.strip())


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get("model"), str) else None


def _has_messages(body: dict[str, Any]) -> bool:
    messages = body.get("messages")
    return isinstance(messages, list) and bool(messages) and all(isinstance(m, dict) for m in messages)


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


async def _send_json(send: Send, value: object, status: int = 200) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(value)})


async def _send_error(send: Send, status: int, code: str, message: str) -> None:
    error = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    await _send_json(send, error, status)
