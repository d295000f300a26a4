"""From a request's body to a call: the same steps at both doors."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from caching.fingerprint import FIELDS_LEFT_OUT
from gateway import strict_json
from gateway.admission import Admission
from gateway.call import CacheWish, ChatCall
from gateway.rendering import COMPLETIONS
from gateway.salting import salted
from gateway.schemas import CacheControl, ChatRequest, CompletionRequest

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
"""ASGI's, of one request."""

Question = ChatRequest | CompletionRequest

#: Fields of `/chat` that change the answer and go upstream as they are.
_PARAMS = frozenset(ChatRequest.model_fields) - {
    "prompt", "messages", "model", "stream", "user", "metadata", "tags", "cache",
}  # fmt: skip
#: Fields of `/v1/chat/completions` that are the gateway's own affair: they don't go upstream.
_OURS = frozenset({"messages", "model", "stream", "stream_options", "metadata", "tags", "cache"})


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body (the inbound guard bounds it), or None if the caller hangs up before its end."""
    pieces: list[bytes] = []
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        pieces.append(event["body"])
        if not event["more_body"]:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def is_plain_json(content_type: str, content_encoding: str) -> bool:
    """Whether a body is what we read: uncompressed application/json, whatever its parameters."""
    return content_type.partition(";")[0].strip().lower() == "application/json" and not content_encoding


def read_question(body: bytes, endpoint: str) -> Question:
    """Raises strict_json.BadJson or pydantic.ValidationError."""
    schema = CompletionRequest if endpoint == COMPLETIONS else ChatRequest
    return schema.model_validate(strict_json.parse(body))


def call_of(question: Question, admission: Admission, endpoint: str) -> ChatCall:
    """Return the call that a well-formed question makes."""
    if isinstance(question, CompletionRequest):
        return _call_of_completion(question, admission, endpoint)
    asked = question.model_fields_set & _PARAMS
    return ChatCall(
        admission=admission,
        endpoint=endpoint,
        model_asked=question.model,
        messages=tuple(question.wire_messages()),
        params=question.model_dump(include=set(asked), exclude_none=True) if asked else {},
        user=question.user,
        tags=tuple(question.tags),
        cache=_wish(question.cache),
        stream=question.stream,
    )


def _call_of_completion(question: CompletionRequest, admission: Admission, endpoint: str) -> ChatCall:
    fields = {name: value for name, value in question.wire_fields().items() if name not in _OURS}
    params = {name: value for name, value in fields.items() if name not in FIELDS_LEFT_OUT}
    passed = {name: value for name, value in fields.items() if name in FIELDS_LEFT_OUT}
    options = question.stream_options
    return ChatCall(
        admission=admission,
        endpoint=endpoint,
        model_asked=question.model,
        messages=tuple(question.messages),
        params=params,
        passed=salted(passed, admission.tenant_id),
        user=question.user,
        tags=tuple(question.tags),
        cache=_wish(question.cache),
        stream=bool(question.stream),
        include_usage=bool(options and options.include_usage),
    )


def _wish(control: CacheControl | None) -> CacheWish:
    if control is None:
        return CacheWish()
    return CacheWish(
        mode=control.mode, ttl_s=control.ttl, max_age_s=control.max_age, tags=tuple(control.tags)
    )
