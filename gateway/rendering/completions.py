"""The forms of `/v1/chat/completions`: OpenAI's chat completion, and its stream of chunks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from caching.answers import StoredAnswer
from gateway.call import ChatOutcome
from gateway.providers.dialect import Chunk
from gateway.relay import Opening
from gateway.rendering.form import DONE, EVENTS, JSON, completion_id, in_pieces, members

_START = b'data: {"id":"'


@dataclass(frozen=True, slots=True)
class IdFrame:
    """A body in which nothing but the answer's id differs from one call to the next."""

    parts: tuple[bytes, ...]
    """What stands between the places of the id."""

    @property
    def size(self) -> int:
        return sum(map(len, self.parts))

    def filled(self, request_id: UUID, age_s: float | None, total_ms: float) -> bytes:
        return completion_id(request_id).encode().join(self.parts)


class CompletionJson:
    """One `chat.completion`."""

    content_type = JSON

    def frame(self, outcome: ChatOutcome) -> IdFrame:
        answer = _answer_of(outcome)
        said = {
            "object": "chat.completion",
            "created": int(answer.created_at),
            "model": answer.model,
            "choices": _choices(outcome, answer),
            "usage": _usage(answer),
        }
        return IdFrame((b'{"id":"', b'",' + members(said) + b"}"))


class CompletionStream:
    """`chat.completion.chunk` events and the end marker."""

    content_type = EVENTS

    def __init__(self, *, with_usage: bool) -> None:
        """with_usage: the last chunk tells the usage, and all others say `usage: null`, as OpenAI does."""
        self._with_usage = with_usage
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"

    def frame(self, outcome: ChatOutcome) -> IdFrame:
        answer = _answer_of(outcome)
        head = _head(int(answer.created_at), answer.model)
        chunks = [self._behind_id(head, [choice]) for choice in _replayed(_choices(outcome, answer))]
        if self._with_usage:
            chunks.append(self._last(head, answer))
        return IdFrame((_START, *(chunk + _START for chunk in chunks[:-1]), chunks[-1] + DONE))

    def piece(self, chunk: Chunk, opening: Opening, request_id: UUID) -> bytes:
        if not chunk.choices:
            return b""
        head = _head(opening.created, opening.target.name)
        return _START + completion_id(request_id).encode() + self._behind_id(head, chunk.choices)

    def ending(self, outcome: ChatOutcome, request_id: UUID, total_ms: float) -> bytes:
        if not self._with_usage:
            return DONE
        answer = _answer_of(outcome)
        head = _head(int(answer.created_at), answer.model)
        return _START + completion_id(request_id).encode() + self._last(head, answer) + DONE

    def _behind_id(self, head: bytes, choices: Iterable[Mapping[str, Any]]) -> bytes:
        return head + orjson.dumps(list(choices)) + self._tail

    def _last(self, head: bytes, answer: StoredAnswer) -> bytes:
        return head + b'[],"usage":' + orjson.dumps(_usage(answer)) + b"}\n\n"


def _answer_of(outcome: ChatOutcome) -> StoredAnswer:
    assert outcome.answer is not None
    return outcome.answer


def _head(created: int, model: str) -> bytes:
    """Return what stands in a chunk from behind the id to the choices."""
    said = {"object": "chat.completion.chunk", "created": created, "model": model}
    return b'",' + members(said) + b',"choices":'


def _choices(outcome: ChatOutcome, answer: StoredAnswer) -> list[Mapping[str, Any]]:
    """Return the choices as the upstream sent them, or that of a stored answer."""
    if outcome.choices:
        return [{"logprobs": None, **choice} for choice in outcome.choices]
    message = {"role": "assistant", **answer.message}
    return [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}]


def _replayed(choices: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the choices of the chunks that a whole answer is sent as."""
    for choice in choices:
        index, message = choice["index"], dict(choice["message"])
        message.pop("role", None)
        texts = {name: message.pop(name) for name in ("reasoning_content", "content") if name in message}
        first = {"role": "assistant", "content": "", **_streamed(message)}
        yield _chunk_choice(index, first)
        for name, text in texts.items():
            for piece in in_pieces(text or ""):
                yield _chunk_choice(index, {name: piece})
        yield {**_chunk_choice(index, {}), "finish_reason": choice["finish_reason"]}


def _streamed(message: dict[str, Any]) -> dict[str, Any]:
    """Return the message's other members as a delta has them: tool calls are numbered there."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}


def _chunk_choice(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _usage(answer: StoredAnswer) -> dict[str, Any]:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }
