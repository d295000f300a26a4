"""OpenAI's chat completions, as OpenAI and the many providers that follow it speak them.

Nothing that a provider wrote is trusted: what is handed on was checked, and its errors come out as kinds, never in
its words.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.failures import FailureKind
from gateway.providers.dialect import (
    Chunk,
    Completion,
    InvalidCompletion,
    ProviderError,
    ProviderRequest,
)
from gateway.providers.openai_errors import kind_of_failure, kind_of_reported
from gateway.providers.openai_parts import MOST_NUMBER, StreamedChoice, check_content, checked, number_of
from gateway.sse import SseEvent
from gateway.strict_json import depth_exceeds
from routing.pricing import Usage

_PATH = "/chat/completions"
_MOST_TOKENS = 100_000_000
#: Encoders refuse what is nested deeper than about 250 levels; no answer needs a quarter of that.
_MOST_DEPTH = 64
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_FINISH_REASON = re.compile(r"[a-z_]{1,32}")
#: Reasons by which a provider says that it broke off (OpenRouter and Mistral; DeepSeek): no answer.
_FAILED = frozenset({"error", "insufficient_system_resource"})


class OpenAi:
    """Implements Dialect for OpenAI and for all that is compatible with it. Stateless."""

    def request(self, model: str, body: Mapping[str, Any], secret: str, *, stream: bool) -> ProviderRequest:
        """Return the question; every field of the body is passed on as it is."""
        asked = {**body, "model": model}
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return ProviderRequest(path=_PATH, content=orjson.dumps(asked), headers=headers)

    def read(self, raw: bytes) -> Completion:
        """Return the answer in the body of a status 200. Raises InvalidCompletion and ProviderError."""
        answer = _parse(raw)
        choices = [_whole_choice(place, choice) for place, choice in enumerate(_choices(answer))]
        if not choices:
            raise InvalidCompletion("no choices")
        if len({choice["index"] for choice in choices}) < len(choices):
            raise InvalidCompletion("two choices of one index")
        return Completion(
            choices=tuple(sorted(choices, key=lambda choice: int(choice["index"]))),
            usage=read_usage(answer.get("usage")),
            upstream_id=_plain_id(answer),
        )

    def reader(self) -> "OpenAiReader":
        """Return what reads the events of one stream."""
        return OpenAiReader()

    def failure_kind(self, status: int, raw: bytes) -> FailureKind:
        """Tell what a status other than 200 means; raw: the beginning of its body, whatever that is."""
        return kind_of_failure(status, raw)


class OpenAiReader:
    """Reads the events of one stream."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.ended = False
        self._choices: defaultdict[int, StreamedChoice] = defaultdict(StreamedChoice)

    def read(self, event: SseEvent) -> Chunk | None:
        """Return the piece that the event brings. Raises InvalidCompletion and ProviderError."""
        if self.ended or not event.data or event.name == "ping":
            return None
        if event.data.strip() == "[DONE]":
            self.ended = True
            return None
        chunk = _parse(event.data, failed=event.name == "error")
        usage = chunk.get("usage")
        choices = [] if chunk.get("choices") is None and usage else _choices(chunk)
        return Chunk(
            choices=tuple(map(self._piece, choices)),
            usage=read_usage(usage) if usage else None,
            upstream_id=_plain_id(chunk),
        )

    def _piece(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        index = number_of(choice)
        delta = choice.get("delta")
        # Azure's notes of its filter come without a delta.
        delta = {} if delta is None else checked(delta)
        self._choices[index].put_right(delta)
        reason = choice.get("finish_reason")
        if not isinstance(reason, str | None):
            raise InvalidCompletion("a finish reason is no text")
        piece = {"index": index, "delta": delta, "finish_reason": _finish_reason(reason)}
        return _with_logprobs(piece, choice)


def _parse(raw: bytes | str, *, failed: bool = False) -> dict[str, Any]:
    """Return the object, none too deep. Raises ProviderError if it holds an error; `failed`: it does anyway."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCompletion("not JSON") from None
    if not isinstance(value, dict):
        raise InvalidCompletion("no object")
    if failed or value.get("error") or value.get("object") == "error":
        raise ProviderError(kind_of_reported(value))
    if _may_be_deep(raw) and depth_exceeds(value, _MOST_DEPTH):
        raise InvalidCompletion("nested too deep")
    return value


def _may_be_deep(raw: bytes | str) -> bool:
    if isinstance(raw, bytes):
        return raw.count(b"[") + raw.count(b"{") > _MOST_DEPTH
    return raw.count("[") + raw.count("{") > _MOST_DEPTH


def _choices(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or len(choices) > MOST_NUMBER:
        raise InvalidCompletion("no choices")
    if not all(isinstance(choice, dict) for choice in choices):
        raise InvalidCompletion("a choice is no object")
    return choices


def _whole_choice(place: int, choice: Mapping[str, Any]) -> dict[str, Any]:
    message = checked(choice.get("message"))
    reason = _finish_reason(choice.get("finish_reason")) or "unknown"
    check_content(message, reason)
    if not message.get("role"):
        message["role"] = "assistant"
    whole = {"index": number_of(choice, place), "message": message, "finish_reason": reason}
    return _with_logprobs(whole, choice)


def _finish_reason(reason: object) -> str | None:
    """Return the reason, "unknown" for a strange one, None if there is none. Raises ProviderError."""
    if reason is None or reason == "":
        return None
    if not isinstance(reason, str) or not _FINISH_REASON.fullmatch(reason):
        return "unknown"
    if reason in _FAILED:
        raise ProviderError(FailureKind.OVERLOADED)
    return reason


def _with_logprobs(choice: dict[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    logprobs = source.get("logprobs")
    if logprobs is None:
        return choice
    if not isinstance(logprobs, dict):
        raise InvalidCompletion("logprobs are no object")
    return {**choice, "logprobs": logprobs}


def _plain_id(answer: Mapping[str, Any]) -> str:
    value = answer.get("id")
    return value if isinstance(value, str) and _PLAIN_ID.fullmatch(value) else ""


def read_usage(usage: object) -> Usage | None:
    """Return the usage that a provider reported; None if it is missing, negative or absurd."""
    if not isinstance(usage, dict):
        return None
    asked, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    details = _object(usage.get("prompt_tokens_details"))
    # DeepSeek has a name of its own for what it read from its cache.
    cached = _count(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0)
    written = _count(details.get("cache_write_tokens") or 0)
    if not asked or answered is None or cached is None or written is None or cached + written > asked:
        return None
    thought = _count(_object(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    # xAI counts what the model thought besides what it said; its total tells.
    if thought and usage.get("total_tokens") == asked + answered + thought:
        answered += thought
    return Usage(
        input_tokens=asked,
        output_tokens=answered,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=min(thought, answered),
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
