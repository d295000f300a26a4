"""Reading a streamed Message: message_start, blocks one after another, message_delta, message_stop. Pure.

(https://platform.claude.com/docs/en/build-with-claude/streaming)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.providers.anthropic_answer import (
    arguments,
    finish_reason,
    plain_id,
    read_usage,
    text_of,
    thinking_block,
    tool_call,
    usage_counts,
)
from gateway.providers.anthropic_errors import kind_of_error
from gateway.providers.dialect import Chunk, InvalidCompletion, ProviderError
from gateway.sse import SseEvent

#: Which delta belongs to which kind of block, and where its text is. Others may be added and are passed over.
_DELTAS = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("tool_use", "partial_json"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
}


@dataclass(kw_only=True, slots=True)
class _Block:
    """A content block that is being sent."""

    start: dict[str, Any]
    call: int = 0
    """A tool call's number among its like."""
    said: bool = False
    """Whether any of a tool's input has come."""
    thoughts: list[str] = field(default_factory=list)


class MessageReader:
    """Reads the events of one stream."""

    def __init__(self) -> None:
        self._begun = False
        self._finished = False
        self._ended = False
        self._said = False
        self._calls = 0
        self._counts: dict[str, Any] = {}
        self._open: dict[int, _Block] = {}

    @property
    def ended(self) -> bool:
        """Whether message_stop has come."""
        return self._ended

    def read(self, event: SseEvent) -> Chunk | None:
        """Return the piece that the event brings, None if it brings none.

        Raises InvalidCompletion for what is malformed or out of order, ProviderError for an error event.
        """
        part = _parse(event)
        if event.name == "error" or part.get("type") == "error":
            raise ProviderError(kind_of_error(part.get("error")))
        chunk: Chunk | None = None
        match part.get("type"):
            case "message_start":
                chunk = self._begin(part)
            case "content_block_start":
                chunk = self._start_block(part)
            case "content_block_delta":
                chunk = self._continue_block(part)
            case "content_block_stop":
                chunk = self._stop_block(part)
            case "message_delta":
                chunk = self._finish(part)
            case "message_stop":
                self._end()
        # Nothing comes of pings, nor of events that the vendor may add at any time.
        return chunk

    def _begin(self, part: Mapping[str, Any]) -> Chunk:
        message = part.get("message")
        if self._begun or not isinstance(message, dict):
            raise InvalidCompletion("message_start without a message, or again")
        self._begun = True
        self._counts = usage_counts(message.get("usage"))
        return Chunk(
            choices=(_choice({"role": "assistant"}),),
            usage=read_usage(self._counts),
            upstream_id=plain_id(message.get("id")),
        )

    def _start_block(self, part: Mapping[str, Any]) -> Chunk | None:
        index, start = part.get("index"), part.get("content_block")
        if not self._begun or self._finished:
            raise InvalidCompletion("a content block outside of the message")
        if not isinstance(index, int) or index in self._open or not isinstance(start, dict):
            raise InvalidCompletion("a malformed content block")
        block = self._open[index] = _Block(start=start)
        if start.get("type") == "tool_use":
            return self._start_call(block)
        if start.get("type") == "text":
            return self._text(text_of(start, "text"))
        return self._think(block, text_of(start, "thinking")) if start.get("type") == "thinking" else None

    def _start_call(self, block: _Block) -> Chunk:
        block.call = self._calls
        self._calls += 1
        return _chunk({"tool_calls": [{"index": block.call, **tool_call(block.start, "")}]})

    def _continue_block(self, part: Mapping[str, Any]) -> Chunk | None:
        block, delta = self._open_block(part), part.get("delta")
        if not isinstance(delta, dict):
            raise InvalidCompletion("a malformed delta")
        kind, name = _DELTAS.get(text_of(delta, "type"), ("", ""))
        if not kind:
            return None
        text = text_of(delta, name)
        if block.start.get("type") != kind:
            raise InvalidCompletion("a delta of another kind than its block")
        match name:
            case "text":
                return self._text(text)
            case "partial_json":
                return _continue_call(block, text)
            case "thinking":
                return self._think(block, text)
        block.start["signature"] = text
        return None

    def _text(self, text: str) -> Chunk | None:
        self._said = self._said or bool(text)
        return _chunk({"content": text}) if text else None

    def _think(self, block: _Block, text: str) -> Chunk | None:
        block.thoughts.append(text)
        return _chunk({"reasoning_content": text}) if text else None

    def _stop_block(self, part: Mapping[str, Any]) -> Chunk | None:
        block = self._open_block(part)
        del self._open[part["index"]]
        match block.start.get("type"):
            case "tool_use" if not block.said:
                # A tool without arguments gets no input at all; OpenAI's form has JSON in any case.
                return _continue_call(block, arguments(block.start.get("input") or {}))
            case "thinking":
                whole = {**block.start, "thinking": "".join(block.thoughts)}
                return _chunk({"thinking_blocks": [thinking_block(whole)]})
            case "redacted_thinking":
                return _chunk({"thinking_blocks": [thinking_block(block.start)]})
        return None

    def _open_block(self, part: Mapping[str, Any]) -> _Block:
        index = part.get("index")
        block = self._open.get(index) if isinstance(index, int) else None
        if block is None:
            raise InvalidCompletion("a piece of a content block that is not open")
        return block

    def _finish(self, part: Mapping[str, Any]) -> Chunk:
        """Read what is said of the whole message; its counts are of all that came and replace earlier ones."""
        delta = part.get("delta")
        if not self._begun or self._finished or self._open or not isinstance(delta, dict):
            raise InvalidCompletion("message_delta out of order")
        self._counts |= usage_counts(part.get("usage"))
        usage = read_usage(self._counts)
        if delta.get("stop_reason") is None:
            return Chunk(choices=(), usage=usage)
        self._finished = True
        # An empty answer is an empty text, as in an answer that comes whole.
        last = {} if self._said or self._calls else {"content": ""}
        return Chunk(choices=(_choice(last, finish_reason(delta["stop_reason"])),), usage=usage)

    def _end(self) -> None:
        if not self._finished or self._ended:
            raise InvalidCompletion("message_stop before the message's end")
        self._ended = True


def _continue_call(block: _Block, piece: str) -> Chunk | None:
    if not piece:
        return None
    block.said = True
    return _chunk({"tool_calls": [{"index": block.call, "function": {"arguments": piece}}]})


def _parse(event: SseEvent) -> dict[str, Any]:
    try:
        part = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        part = None
    if isinstance(part, dict):
        return part
    # An error stays one, even where its words can't be read.
    if event.name == "error":
        return {}
    raise InvalidCompletion("an event that is no JSON object")


def _chunk(delta: dict[str, Any]) -> Chunk:
    return Chunk(choices=(_choice(delta),))


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}
