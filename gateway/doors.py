"""The Ninja door: what turns an HTTP request into a call, and an outcome into an HTTP answer.

What the edge has done of a request (gateway.ahead) is taken over; without it, it is done here.

Order of refusals: key (401), limits (429), media type and size (415, 413), body (422). Everything that ends
after a valid key was shown is recorded.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import orjson
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from gateway import asking, errors, headers, runtime, streams, strict_json
from gateway.admission import Admission, Arrival, Refused, admit, identify
from gateway.ahead import AHEAD, Ahead
from gateway.call import ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.pipeline import Begun
from gateway.reading import Question, call_of, is_plain_json
from gateway.records import record_of
from gateway.relay import Relay
from gateway.rendering import COMPLETIONS, body_of, stream_form_of
from gateway.request_id import shown
from gateway.runtime import RunningParts
from gateway.schemas import ChatRequest, CompletionRequest
from gateway.streams import StreamedAnswer

log = logging.getLogger(__name__)


class EndedEarly(Exception):
    """A door refused the request; carries the answer through Ninja's machinery, never beyond it."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.refusal.code)
        self.refused = refused


class UnsupportedMediaType(Exception):
    """The body isn't plain application/json."""


#: Stands for the question of a call that the edge has made: Ninja takes an instance as it is.
_READ_ALREADY = ChatRequest(prompt="(read at the edge)")
_COMPLETION_READ_ALREADY = CompletionRequest(messages=[{"role": "user", "content": "(read at the edge)"}])


class StrictParser(Parser):
    """Reads bodies with strict_json, and nothing but uncompressed JSON; none that the edge has read already."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        ahead = ahead_of(request)
        if ahead is not None and ahead.call is not None:
            known = _COMPLETION_READ_ALREADY if request.path == COMPLETIONS else _READ_ALREADY
            return cast(dict[str, Any], known)
        if not is_plain_json(
            request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", "")
        ):
            raise UnsupportedMediaType
        return cast(dict[str, Any], strict_json.parse(request.body))


class ChatDoor:
    """Ninja's authentication of the routes that ask questions: key, then scope, then request limits."""

    async def __call__(self, request: HttpRequest) -> Admission:
        if ahead := ahead_of(request):
            return _open(ahead.admitted, "chat")
        parts = await runtime.parts()
        admitted = await admit(_arrival(request), _authorization(request), parts.callers, parts.limiter)
        return _open(admitted, "chat")


class KeyDoor:
    """Ninja's authentication of the routes that don't count against request limits."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, request: HttpRequest) -> Admission:
        parts = await runtime.parts()
        return _open(await identify(_arrival(request), _authorization(request), parts.callers), self._scope)


def ahead_of(request: HttpRequest) -> Ahead | None:
    """Return what the edge has done of the request; None if it didn't come through the edge."""
    return cast(Ahead | None, cast(ASGIRequest, request).scope.get(AHEAD))


def _arrival(request: HttpRequest) -> Arrival:
    return Arrival.now(request.headers.get("x-request-id", ""))


def _authorization(request: HttpRequest) -> str:
    return request.headers.get("Authorization", "")


def _open(admitted: Admission | Refused, scope: str) -> Admission:
    if isinstance(admitted, Refused):
        raise EndedEarly(admitted)
    if scope not in admitted.key.scopes:
        raise EndedEarly(
            Refused(refusal=errors.scope_missing(scope), arrival=admitted.arrival, admission=admitted)
        )
    return admitted


def admission_of(request: HttpRequest) -> Admission:
    """Return what a door found; Ninja keeps it as `request.auth`."""
    return cast(Admission, request.auth)  # type: ignore[attr-defined]


async def answer_chat(request: HttpRequest, question: Question) -> HttpResponse | StreamedAnswer:
    """Run the pipeline for an admitted question, record how it ended, render it."""
    admission = admission_of(request)
    ahead = ahead_of(request)
    call = ahead.call if ahead and ahead.call else call_of(question, admission, request.path)
    parts = await runtime.parts()
    begun = ahead.begun if ahead else None
    relay = Relay() if call.stream else None
    try:
        if relay is None:
            answer: ChatOutcome | StreamedAnswer = await _answer(call, parts, begun)
        else:
            answer = await _begin_stream(call, parts, begun, relay)
    except asyncio.CancelledError:
        if relay is not None and relay.begun:
            parts.finish_soon(_hang_up_recorded(call, relay, parts))
        else:
            parts.finish(record_of(admission, call.endpoint, ChatOutcome(hung_up=True), call))
        raise
    if isinstance(answer, StreamedAnswer):
        return answer
    parts.finish(record_of(admission, call.endpoint, answer, call))
    return _rendered(admission, answer, call)


async def _begin_stream(
    call: ChatCall, parts: RunningParts, begun: Begun | None, relay: Relay
) -> StreamedAnswer | ChatOutcome:
    """Return a stream as soon as its first piece is there; the outcome, if the call ends before."""
    answering = asyncio.ensure_future(_answer(call, parts, begun, relay))
    try:
        await relay.ready()
        return _streamed(call, relay, answering, parts) if relay.begun else await answering
    except asyncio.CancelledError:
        answering.cancel()
        raise


async def _answer(
    call: ChatCall, parts: RunningParts, begun: Begun | None, relay: Relay | None = None
) -> ChatOutcome:
    """Run the pipeline; a failure of our own is an outcome too."""
    try:
        outcome = await parts.answer(call, begun, relay)
    except Exception:
        log.exception("a call failed", extra={"request_id": shown(call.admission.arrival.request_id)})
        outcome = ChatOutcome(refusal=errors.INTERNAL)
    finally:
        if relay is not None:
            relay.close()
    if outcome.refusal is None:
        return outcome
    return replace(outcome, refusal=errors.as_seen_at(call.endpoint, outcome.refusal))


async def _hang_up_recorded(call: ChatCall, relay: Relay, parts: RunningParts) -> None:
    """Take note of a stream whose caller went away, once it is counted what was sent of it."""
    total_ms = call.admission.arrival.elapsed_ms()
    outcome = await asking.broken_off(relay)
    parts.finish(record_of(call.admission, call.endpoint, outcome, call, total_ms))


def _streamed(
    call: ChatCall, relay: Relay, answering: "asyncio.Future[ChatOutcome]", parts: RunningParts
) -> StreamedAnswer:
    """Return a stream whose first piece is there."""
    admission, opening = call.admission, relay.opening
    assert opening is not None
    so_far = ChatOutcome(cache=opening.cache, attempts=opening.attempts)
    total_ms = admission.arrival.elapsed_ms()
    form = stream_form_of(call)

    def finish(outcome: ChatOutcome) -> None:
        parts.finish(record_of(admission, call.endpoint, outcome, call))

    def hung_up() -> None:
        parts.finish_soon(_hang_up_recorded(call, relay, parts))

    return StreamedAnswer(
        streams.Stream(call, form, relay, answering, finish=finish, hung_up=hung_up),
        content_type=form.content_type.decode(),
        headers=as_text(
            headers.of_outcome(shown(admission.arrival.request_id), admission.limits, so_far, total_ms)
        ),
    )


def _rendered(admission: Admission, outcome: ChatOutcome, call: ChatCall | None = None) -> HttpResponse:
    """Render how a call ended; call: that of an outcome with an answer."""
    total_ms = admission.arrival.elapsed_ms()
    request_id = admission.arrival.request_id
    content_type, body = body_of(outcome, call, request_id, total_ms)
    return HttpResponse(
        body,
        status=outcome.status,
        content_type=content_type.decode(),
        headers=as_text(headers.of_outcome(shown(request_id), admission.limits, outcome, total_ms)),
    )


def as_text(head: bytes) -> dict[str, str]:
    """Return the header fields of a head as Django takes them."""
    return {name.decode(): value.decode("latin-1") for name, value in headers.fields(head)}


def json_answer(admission: Admission, content: object) -> HttpResponse:
    """Render what isn't a question's answer, with the headers that every route has."""
    return HttpResponse(
        orjson.dumps(content),
        content_type="application/json",
        headers={"x-request-id": shown(admission.arrival.request_id)},
    )


def register_error_handlers(api: NinjaAPI) -> None:
    """Give every failure of every route the one error shape of gateway.errors."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        EndedEarly: _on_early_end,
        AuthenticationError: lambda request, _: refused(request, errors.INVALID_KEY),
        ValidationError: lambda request, error: refused(request, _invalid(error)),
        HttpError: _on_http_error,
        RequestDataTooBig: lambda request, _: refused(request, errors.BODY_TOO_LARGE),
        TooManyFieldsSent: lambda request, _: refused(request, errors.BODY_TOO_LARGE),
        Exception: _on_unforeseen,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _on_early_end(request: HttpRequest, error: EndedEarly) -> HttpResponse:
    refused = error.refused
    if refused.admission is not None:
        return _ended(request, refused.admission, refused.refusal)
    return HttpResponse(
        refused.refusal.body(),
        status=refused.refusal.status,
        content_type="application/json",
        headers={
            "x-request-id": shown(refused.arrival.request_id),
            **as_text(headers.of_refusal(refused.refusal)),
        },
    )


def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    cause = error.__cause__
    if isinstance(cause, UnsupportedMediaType):
        return refused(request, errors.UNSUPPORTED_MEDIA_TYPE)
    if isinstance(cause, strict_json.BadJson):
        return refused(request, errors.invalid_request(str(cause), None))
    return refused(request, errors.invalid_request("The request could not be read.", None))


def _on_unforeseen(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("a request failed", exc_info=error)
    return refused(request, errors.INTERNAL)


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Render a refusal; after a valid key it is recorded too, where it counts as a request."""
    refusal = errors.as_seen_at(request.path, refusal)
    admission = getattr(request, "auth", None)
    if isinstance(admission, Admission):
        return _ended(request, admission, refusal)
    return HttpResponse(
        refusal.body(),
        status=refusal.status,
        content_type="application/json",
        headers=as_text(headers.of_refusal(refusal)),
    )


def _ended(request: HttpRequest, admission: Admission, refusal: Refusal) -> HttpResponse:
    outcome = ChatOutcome(refusal=refusal)
    if admission.limits is not None:
        runtime.running().finish(record_of(admission, request.path, outcome))
    return _rendered(admission, outcome)


def _invalid(error: ValidationError) -> Refusal:
    """Name the first wrong field as the caller wrote it, without repeating what stood in it."""
    first = error.errors[0]
    # A place reads ("body", <our name of the whole body>, ...) or ("query", <field>).
    source, *place = first["loc"]
    if source == "body":
        place = place[1:]
    param = ".".join(str(part) for part in place) or None
    return errors.invalid_request(str(first["msg"]).removeprefix("Value error, "), param)
