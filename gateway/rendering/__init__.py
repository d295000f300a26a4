"""How an outcome looks to the caller: one form for each route, whole or streamed."""

from uuid import UUID

from gateway.call import ChatCall, ChatOutcome
from gateway.rendering.chat import ChatJson, ChatStream
from gateway.rendering.completions import CompletionJson, CompletionStream
from gateway.rendering.form import JSON, Form, StreamForm

COMPLETIONS = "/v1/chat/completions"

_CHAT_JSON, _CHAT_STREAM = ChatJson(), ChatStream()
_COMPLETION_JSON = CompletionJson()
_COMPLETION_STREAMS = {with_usage: CompletionStream(with_usage=with_usage) for with_usage in (False, True)}

__all__ = ["COMPLETIONS", "Form", "StreamForm", "body_of", "form_of", "stream_form_of"]


def form_of(call: ChatCall) -> Form:
    """Return the form of a call's whole answer: a stream's too, where the whole answer is at hand."""
    if call.stream:
        return stream_form_of(call)
    return _COMPLETION_JSON if call.endpoint == COMPLETIONS else _CHAT_JSON


def stream_form_of(call: ChatCall) -> StreamForm:
    """Return the form of a call's streamed answer."""
    return _COMPLETION_STREAMS[call.include_usage] if call.endpoint == COMPLETIONS else _CHAT_STREAM


def body_of(
    outcome: ChatOutcome, call: ChatCall | None, request_id: UUID, total_ms: float
) -> tuple[bytes, bytes]:
    """Return the content type and the body of an ended call. call: that of an outcome with an answer."""
    if outcome.refusal is not None:
        return JSON, outcome.refusal.body()
    assert call is not None
    form = form_of(call)
    age_s = outcome.cache.age_s if outcome.cache else None
    return form.content_type, form.frame(outcome).filled(request_id, age_s, total_ms)
