"""A stand-in for Anthropic's Messages API that is as strict as it, over real HTTP.

It answers as it is told by `replies`, else out of the question: with thinking if that is on, by the first tool or
by JSON if they are asked for, else by repeating the last words. Parts up to the last cache_control are billed as
written to the cache the first time, and as read from it from then on.
Sources: the pages that anthropic_rules names, and https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn

from tests.demo_upstream import free_port
from tests.vendors.anthropic_rules import SIGNATURE, Refused, blocks_of, check

Message = MutableMapping[str, Any]
KEY = "sk-ant-canary-77ab12"
MODEL = "claude-opus-5-5"
_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    529: "overloaded_error",
}
_START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered next, whatever is asked."""

    blocks: list[dict[str, Any]] = field(default_factory=lambda: [{"type": "text", "text": "As told."}])
    stop_reason: str = "end_turn"
    status: int = 200
    error: str = ""
    """The type of an error: of this status, or, with status 200, in place of a stream's end."""
    words: str = "Something went wrong."
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """A stream ends without message_delta and message_stop."""


class AnthropicServer:
    """The ASGI application.

    `received` is every body that kept the rules, `refusals` are the others' faults, `usages` what was answered.
    """

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.received: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.usages: list[dict[str, Any]] = []
        self._cached: set[bytes] = set()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        try:
            body = _accepted(scope, await _read(receive))
        except Refused as refused:
            self.refusals.append(str(refused))
            kind = _TYPES.get(refused.status, "invalid_request_error")
            return await _send_error(send, refused.status, kind, str(refused), {})
        self.received.append(body)
        reply = self.replies.popleft() if self.replies else _reply_to(body)
        streamed = body.get("stream", False)
        if reply.status != 200 or (reply.error and not streamed):
            return await _send_error(send, reply.status, reply.error, reply.words, reply.headers)
        self.usages.append(self._usage(body, reply))
        answer = _message(body, reply, self.usages[-1])
        return await (_send_stream(send, answer, reply) if streamed else _send(send, 200, answer, {}))

    def _usage(self, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        parts = [*body.get("tools", []), *body.get("system", [])]
        parts += [block for message in body["messages"] for block in blocks_of(message)]
        marked = max((place + 1 for place, part in enumerate(parts) if "cache_control" in part), default=0)
        prefix = orjson.dumps(parts[:marked])
        held, tokens = prefix in self._cached, len(prefix) if marked else 0
        self._cached.add(prefix)
        thought = sum(len(block["thinking"]) for block in reply.blocks if block["type"] == "thinking")
        return {
            "input_tokens": len(orjson.dumps(parts[marked:])),
            "cache_creation_input_tokens": 0 if held else tokens,
            "cache_read_input_tokens": tokens if held else 0,
            "output_tokens": len(orjson.dumps(reply.blocks)),
            "output_tokens_details": {"thinking_tokens": thought},
            "service_tier": "standard",
        }


async def _read(receive: Callable[[], Awaitable[Message]]) -> bytes:
    raw = b""
    while (message := await receive())["type"] == "http.request":
        raw += message.get("body", b"")
        if not message.get("more_body"):
            break
    return raw


def _accepted(scope: Message, raw: bytes) -> dict[str, Any]:
    """Return the body of a request that keeps all rules. Raises Refused."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if scope["method"] != "POST" or scope["path"] != "/v1/messages":
        raise Refused("Not found", 404)
    if headers.get("x-api-key") != KEY:
        raise Refused("invalid x-api-key", 401)
    if headers.get("anthropic-version") != "2023-06-01":
        raise Refused("anthropic-version: header is required")
    if headers.get("content-type") != "application/json":
        raise Refused("content-type: Input should be application/json")
    body: dict[str, Any] = orjson.loads(raw)
    check(body)
    if body["model"] != MODEL:
        raise Refused(f"model: {body['model']}", 404)
    return body


def _reply_to(body: Mapping[str, Any]) -> Reply:
    last = blocks_of(body["messages"][-1])
    thinking = body.get("thinking", {"type": "disabled"})["type"] != "disabled"
    thoughts = [{"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURE}] if thinking else []
    choice = body.get("tool_choice", {"type": "auto"})
    if body.get("tools") and choice["type"] != "none" and last[0]["type"] != "tool_result":
        return Reply(blocks=[*thoughts, _use(body["tools"], choice)], stop_reason="tool_use")
    text = " ".join(block["text"] for block in last if block["type"] == "text")
    images = sum(block["type"] == "image" for block in last)
    if "format" in body.get("output_config", {}):
        text = orjson.dumps(_instance(body["output_config"]["format"]["schema"])).decode()
    elif last[0]["type"] == "tool_result":
        text = "The tool said: " + last[0]["content"][0]["text"]
    else:
        text = f"You said: {text}" + (f" ({images} image)" if images else "")
    return Reply(blocks=[*thoughts, {"type": "text", "text": text}])


def _use(tools: list[dict[str, Any]], choice: Mapping[str, Any]) -> dict[str, Any]:
    tool = next(tool for tool in tools if tool["name"] == choice.get("name", tool["name"]))
    return {
        "type": "tool_use",
        "id": "toolu_01A09q90",
        "name": tool["name"],
        "input": _instance(tool["input_schema"]),
    }


def _instance(schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "object":
        return {name: _instance(inner) for name, inner in schema.get("properties", {}).items()}
    return {"integer": 7, "number": 7.5, "boolean": True, "array": []}.get(schema.get("type", ""), "seven")


def _message(body: Mapping[str, Any], reply: Reply, usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": reply.blocks,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def stream_events(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a Message, with a ping and pieces of three characters."""
    final = answer["usage"]
    begun = {**final, "output_tokens": 1, "output_tokens_details": None}
    message = {**answer, "content": [], "stop_reason": None, "usage": begun}
    yield {"type": "message_start", "message": message}
    yield {"type": "ping"}
    for index, block in enumerate(answer["content"]):
        empty, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    said = {name: final[name] for name in ("output_tokens", "output_tokens_details")}
    yield {"type": "message_delta", "delta": ending, "usage": said}
    yield {"type": "message_stop"}


def _pieces(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a block begins as, and the deltas that bring the rest."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [
            {"type": "text_delta", "text": part} for part in _cut(block["text"])
        ]
    if block["type"] == "tool_use":
        parts = ["", *_cut(orjson.dumps(block["input"]).decode())] if block["input"] else [""]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": part} for part in _cut(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signed]
    return dict(block), []


def _cut(text: str) -> list[str]:
    return [text[start : start + 3] for start in range(0, len(text), 3)]


async def _send_stream(
    send: Callable[[Message], Awaitable[None]], answer: Mapping[str, Any], reply: Reply
) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    for event in stream_events(answer):
        if event["type"] == "message_delta" and (reply.cut or reply.error):
            break
        await _send_event(send, event)
    if reply.error:
        await _send_event(send, {"type": "error", "error": {"type": reply.error, "message": reply.words}})
    await send({"type": "http.response.body", "body": b""})


async def _send_event(send: Callable[[Message], Awaitable[None]], event: Mapping[str, Any]) -> None:
    raw = b"event: %s\ndata: %s\n\n" % (event["type"].encode(), orjson.dumps(event))
    await send({"type": "http.response.body", "body": raw, "more_body": True})


async def _send_error(
    send: Callable[[Message], Awaitable[None]], status: int, kind: str, words: str, headers: Mapping[str, str]
) -> None:
    error = {
        "type": "error",
        "error": {"type": kind, "message": words},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }
    await _send(send, status, error, headers)


async def _send(
    send: Callable[[Message], Awaitable[None]], status: int, body: object, headers: Mapping[str, str]
) -> None:
    raw = orjson.dumps(body)
    fields = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
    sent = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": raw})


@contextmanager
def running(server: AnthropicServer) -> Iterator[str]:
    """Serve over real HTTP for as long as the block lasts; yields the base URL."""
    port = free_port()
    config = uvicorn.Config(server, host="127.0.0.1", port=port, log_level="critical", lifespan="off")
    process = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(process.serve()), daemon=True)
    thread.start()
    waiting = threading.Event()
    for _ in range(int(_START_SECONDS / 0.02)):
        if process.started:
            break
        waiting.wait(0.02)
    else:
        raise RuntimeError("the vendor's server did not start")
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.should_exit = True
        thread.join(_START_SECONDS)
