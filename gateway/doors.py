"""The Ninja door: what turns an HTTP request into a call, and an outcome into an HTTP answer.

Order of refusals: key (401), limits (429), media type and size (415, 413), body (422). Everything that ends
after a valid key was shown is recorded.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, cast

import orjson
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from gateway import answers, errors, headers, runtime, strict_json
from gateway.admission import Admission, Refused, admit, identify
from gateway.call import CacheWish, ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.records import record_of
from gateway.request_id import shown
from gateway.schemas import CacheControl, ChatRequest

log = logging.getLogger(__name__)

_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Fields of a question that change the answer and go upstream as they are.
_PARAMS = frozenset(ChatRequest.model_fields) - {
    "prompt", "messages", "model", "stream", "user", "metadata", "tags", "cache",
}  # fmt: skip


class EndedEarly(Exception):
    """A door refused the request; carries the answer through Ninja's machinery, never beyond it."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.refusal.code)
        self.refused = refused


class UnsupportedMediaType(Exception):
    """The body isn't plain application/json."""


class StrictParser(Parser):
    """Reads bodies with strict_json, and nothing but uncompressed JSON."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        if request.content_type != "application/json" or request.headers.get("Content-Encoding"):
            raise UnsupportedMediaType
        return cast(dict[str, Any], strict_json.parse(request.body))


class ChatDoor:
    """Ninja's authentication of the routes that ask questions: key, then scope, then request limits."""

    async def __call__(self, request: HttpRequest) -> Admission:
        parts = await runtime.parts()
        return _open(await admit(request.headers.get("Authorization"), parts.policies, parts.limiter), "chat")


class KeyDoor:
    """Ninja's authentication of the routes that don't count against request limits."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, request: HttpRequest) -> Admission:
        parts = await runtime.parts()
        return _open(await identify(request.headers.get("Authorization"), parts.policies), self._scope)


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


async def answer_chat(request: HttpRequest, question: ChatRequest) -> HttpResponse:
    """Run the pipeline for an admitted question, record how it ended, render it."""
    admission = admission_of(request)
    call = _call(request, admission, question)
    parts = await runtime.parts()
    try:
        outcome = await parts.answer(call)
    except asyncio.CancelledError:
        parts.finish(record_of(admission, call.endpoint, ChatOutcome(hung_up=True), call))
        raise
    except Exception:
        log.exception("a call failed", extra={"request_id": shown(admission.arrival.request_id)})
        outcome = ChatOutcome(refusal=errors.INTERNAL)
    parts.finish(record_of(admission, call.endpoint, outcome, call))
    return _rendered(admission, outcome)


def _call(request: HttpRequest, admission: Admission, question: ChatRequest) -> ChatCall:
    return ChatCall(
        admission=admission,
        endpoint=request.path,
        model_asked=question.model,
        messages=tuple(question.wire_messages()),
        params=question.model_dump(include=set(_PARAMS), exclude_none=True),
        user=question.user,
        tags=tuple(question.tags),
        cache=_wish(question.cache),
        stream=question.stream,
        client_request_id=_client_request_id(request),
    )


def _wish(control: CacheControl | None) -> CacheWish:
    if control is None:
        return CacheWish()
    return CacheWish(
        mode=control.mode, ttl_s=control.ttl, max_age_s=control.max_age, tags=tuple(control.tags)
    )


def _client_request_id(request: HttpRequest) -> str:
    presented = request.headers.get("x-request-id", "")
    return presented if _CLIENT_REQUEST_ID.fullmatch(presented) else ""


def _rendered(admission: Admission, outcome: ChatOutcome) -> HttpResponse:
    return HttpResponse(
        answers.chat_body(admission, outcome),
        status=outcome.status,
        content_type="application/json",
        headers=headers.of_outcome(admission, outcome),
    )


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
        headers={"x-request-id": shown(refused.arrival.request_id), **headers.of_refusal(refused.refusal)},
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
    admission = getattr(request, "auth", None)
    if isinstance(admission, Admission):
        return _ended(request, admission, refusal)
    return HttpResponse(
        refusal.body(),
        status=refusal.status,
        content_type="application/json",
        headers=headers.of_refusal(refusal),
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
