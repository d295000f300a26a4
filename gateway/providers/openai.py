"""OpenAI's chat completions, as OpenAI and the many providers that follow it speak them.

Nothing that a provider wrote is trusted: what is handed on was checked, and its errors come out as kinds, never in
its words.
"""

import re
from collections.abc import Iterator, Mapping
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
from gateway.sse import SseEvent
from routing.pricing import Usage

_PATH = "/chat/completions"
_MOST_CHOICES = 128
_MOST_TOKENS = 100_000_000
#: Encoders refuse what is nested deeper than about 250 levels; no answer needs a quarter of that.
_MOST_DEPTH = 64
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_FINISH_REASON = re.compile(r"[a-z_]{1,32}")
#: Of these, one at least is in a message without content.
_INSTEAD_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning")
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning", "role")

_BY_STATUS = {
    401: FailureKind.REFUSED_KEY,
    402: FailureKind.OUT_OF_QUOTA,
    403: FailureKind.REFUSED_KEY,
    404: FailureKind.UNKNOWN_MODEL,
    408: FailureKind.TIMEOUT,
    429: FailureKind.RATE_LIMITED,
}
_BY_CLASS = {3: FailureKind.REDIRECT, 4: FailureKind.REFUSED_REQUEST, 5: FailureKind.OVERLOADED}
#: What an error's `code` or `type` says, whatever the status says. The first that is known holds.
_BY_NAME = {
    "insufficient_quota": FailureKind.OUT_OF_QUOTA,
    "billing_hard_limit_reached": FailureKind.OUT_OF_QUOTA,
    "billing_not_active": FailureKind.OUT_OF_QUOTA,
    "context_length_exceeded": FailureKind.CONTEXT_LENGTH,
    "exceed_context_size_error": FailureKind.CONTEXT_LENGTH,
    "model_not_found": FailureKind.UNKNOWN_MODEL,
    "invalid_api_key": FailureKind.REFUSED_KEY,
    "rate_limit_exceeded": FailureKind.RATE_LIMITED,
}
#: Names that say less than the status does; they count where there is no status: in a 200 or a stream.
_BY_BROAD_NAME = {
    "authentication_error": FailureKind.REFUSED_KEY,
    "permission_error": FailureKind.REFUSED_KEY,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "rate_limit": FailureKind.RATE_LIMITED,
    "overloaded_error": FailureKind.OVERLOADED,
    "overloaded": FailureKind.OVERLOADED,
    "engine_overloaded": FailureKind.OVERLOADED,
    "server_error": FailureKind.OVERLOADED,
    "internal_server_error": FailureKind.OVERLOADED,
    "service_unavailable": FailureKind.OVERLOADED,
    "timeout": FailureKind.TIMEOUT,
    "invalid_request_error": FailureKind.REFUSED_REQUEST,
    "content_filter": FailureKind.REFUSED_REQUEST,
}
#: Many compatible servers tell this in words alone.
_TOO_LONG = re.compile(r"maximum context length|context (?:length|window|size) exceeded", re.IGNORECASE)


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
        error = _error_in(raw) if status // 100 == 4 else {}
        if named := _named_kind(error, _BY_NAME):
            return named
        if status in (400, 413, 422) and _TOO_LONG.search(_word(error, "message")):
            return FailureKind.CONTEXT_LENGTH
        if status == 403 and _is_moderation(error):
            return FailureKind.REFUSED_REQUEST
        return _kind_of_status(status)


class OpenAiReader:
    """Reads the events of one stream."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.ended = False

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
            choices=tuple(_piece_of_choice(choice) for choice in choices),
            usage=read_usage(usage) if usage else None,
            upstream_id=_plain_id(chunk),
        )


def _parse(raw: bytes | str, *, failed: bool = False) -> dict[str, Any]:
    """Return the object, none too deep. Raises ProviderError if it is or holds an error, or is said to (failed)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCompletion("not JSON") from None
    if not isinstance(value, dict):
        raise InvalidCompletion("no object")
    if failed or value.get("error") or value.get("object") == "error":
        raise ProviderError(_reported_kind(_error_of(value)))
    if _may_be_deep(raw) and _depth_exceeds(value, _MOST_DEPTH):
        raise InvalidCompletion("nested too deep")
    return value


def _may_be_deep(raw: bytes | str) -> bool:
    if isinstance(raw, bytes):
        return raw.count(b"[") + raw.count(b"{") > _MOST_DEPTH
    return raw.count("[") + raw.count("{") > _MOST_DEPTH


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value if isinstance(value, list) else ())


def _choices(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or len(choices) > _MOST_CHOICES:
        raise InvalidCompletion("no choices")
    if not all(isinstance(choice, dict) for choice in choices):
        raise InvalidCompletion("a choice is no object")
    return choices


def _whole_choice(place: int, choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise InvalidCompletion("no message")
    reason = choice.get("finish_reason")
    reason = reason if isinstance(reason, str) and _FINISH_REASON.fullmatch(reason) else "unknown"
    _check_parts(message)
    _check_content(message, reason)
    whole = {"index": _index(choice, place), "message": message, "finish_reason": reason}
    return _with_logprobs(whole, choice)


def _piece_of_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    delta = {} if delta is None else delta
    if not isinstance(delta, dict):
        raise InvalidCompletion("a delta is no object")
    _check_parts(delta)
    for call in delta.get("tool_calls") or ():
        _index(call)
    piece = {"index": _index(choice), "delta": delta, "finish_reason": _reason_so_far(choice)}
    return _with_logprobs(piece, choice)


def _reason_so_far(choice: Mapping[str, Any]) -> str | None:
    # Some providers write "" where there is none yet.
    reason = choice.get("finish_reason") or None
    if reason is not None and not isinstance(reason, str):
        raise InvalidCompletion("a finish reason is no text")
    return reason if reason is None or _FINISH_REASON.fullmatch(reason) else "unknown"


def _index(part: Mapping[str, Any], default: int | None = None) -> int:
    index = part.get("index", default)
    if type(index) is not int or not 0 <= index < _MOST_CHOICES:
        raise InvalidCompletion("a strange index")
    return index


def _with_logprobs(choice: dict[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    logprobs = source.get("logprobs")
    if logprobs is None:
        return choice
    if not isinstance(logprobs, dict):
        raise InvalidCompletion("logprobs are no object")
    return {**choice, "logprobs": logprobs}


def _check_parts(message: Mapping[str, Any]) -> None:
    """Refuse known parts of a message or delta that are of a wrong type; unknown ones may be anything."""
    for name in _TEXTS:
        if not isinstance(message.get(name), str | None):
            raise InvalidCompletion(f"{name} is no text")
    for name in ("function_call", "audio"):
        if not isinstance(message.get(name), dict | None):
            raise InvalidCompletion(f"{name} is no object")
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(map(_is_call, calls))):
        raise InvalidCompletion("tool_calls are no calls")


def _is_call(call: object) -> bool:
    if not isinstance(call, dict):
        return False
    function = call.get("function") or {}
    return isinstance(function, dict) and all(
        isinstance(function.get(name), str | None) for name in ("name", "arguments")
    )


def _check_content(message: Mapping[str, Any], finish_reason: str) -> None:
    if isinstance(message.get("content"), str) or any(message.get(name) for name in _INSTEAD_OF_CONTENT):
        return
    # Azure leaves the content out when its filter took it.
    if finish_reason != "content_filter":
        raise InvalidCompletion("no content")


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
    if asked is None or answered is None or cached is None or written is None or cached + written > asked:
        return None
    thought = _count(_object(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
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


def _error_in(raw: bytes) -> Mapping[str, Any]:
    """Return the error object of a body, empty if there is none to be read."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    # Google's compatible endpoint wraps its errors in a list.
    return _error_of(value[0] if isinstance(value, list) and value else value)


def _error_of(value: object) -> Mapping[str, Any]:
    """Return the object with `code`, `type` and `message`: inside `error`, or the whole (vLLM, Mistral)."""
    whole = _object(value)
    error = whole.get("error")
    return error if isinstance(error, dict) else {**whole, "message": error or whole.get("message")}


def _named_kind(error: Mapping[str, Any], kinds: Mapping[str, FailureKind]) -> FailureKind | None:
    names = (_word(error, key).lower() for key in ("code", "type"))
    return next((kinds[name] for name in names if name in kinds), None)


def _word(error: Mapping[str, Any], key: str) -> str:
    value = error.get(key)
    return str(value) if isinstance(value, str | int) else ""


def _reported_kind(error: Mapping[str, Any]) -> FailureKind:
    """Tell what an error without a status means."""
    named = _named_kind(error, {**_BY_NAME, **_BY_BROAD_NAME})
    if named:
        return named
    # OpenRouter's and vLLM's codes are HTTP's.
    code = _word(error, "code")
    return _kind_of_status(int(code)) if re.fullmatch("[45][0-9]{2}", code) else FailureKind.INVALID_RESPONSE


def _kind_of_status(status: int) -> FailureKind:
    return _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, FailureKind.INVALID_RESPONSE)


def _is_moderation(error: Mapping[str, Any]) -> bool:
    """Whether a 403 is about the question and not about our key (OpenRouter); the key must not suffer for it."""
    return "flagged_input" in _object(error.get("metadata"))
