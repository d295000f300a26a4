"""The short way through Django for the data plane.

The full stack hands both halves of each middleware, the signals' receivers and the closing of the response to
threads: milliseconds of CPU for a call that needs none of it. Here a request goes from the socket to the Ninja
endpoint in one task. What the left-out layers guarantee is kept where it matters: keys instead of sessions (so
no CSRF), no ORM (so no connections to close), the error object instead of error pages, https demanded by a
refusal instead of a redirect. The Host isn't looked at: nothing is decided or built by it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from gateway import errors, headers, streams
from gateway.middleware import json_errors
from gateway.reading import Receive, read_body
from gateway.streams import StreamedAnswer

Scope = dict[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
AnswerRequest = Callable[[HttpRequest], Awaitable[HttpResponse]]

#: Answered also without TLS: who asks is on the same network, and shows no key.
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
#: Everything that is asked with an API key, or by a machine that watches us.
DATA_PLANE = frozenset({"/chat", "/stats", "/cache", "/cache/feedback"}) | _PROBES
#: All of it, addresses that aren't there included: SDKs are to see the error object.
_OPENAI_ROUTES = "/v1/"


def is_data_plane(path: str) -> bool:
    return path in DATA_PLANE or path.startswith(_OPENAI_ROUTES)


class DataPlaneFirst:
    """Sends data-plane requests the short way and everything else through Django's full stack."""

    def __init__(self, full: ASGIHandler) -> None:
        self._full = full
        self._lean = LeanHandler()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_data_plane(scope["path"]):
            await self._lean(scope, receive, send)
        else:
            await self._full(scope, receive, send)


class LeanHandler(ASGIHandler):
    """Django's ASGI handler without middleware, signals and threads."""

    def load_middleware(self, is_async: bool = True) -> None:
        for layers in ("_view_middleware", "_template_response_middleware", "_exception_middleware"):
            setattr(self, layers, [])
        answer = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]
        self._middleware_chain = json_errors(cast(AnswerRequest, answer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            return
        request, _ = self.create_request(scope, BytesIO(body))
        response = await _unless_hung_up(self._answer(request), receive) if request else _unreadable()
        if isinstance(response, StreamedAnswer):
            await streams.send(response, receive, send)
        elif response is not None:
            await self.send_response(response, send)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and request.path not in _PROBES:
            response: HttpResponseBase = HttpResponse(
                errors.HTTPS_REQUIRED.body(),
                status=errors.HTTPS_REQUIRED.status,
                content_type="application/json",
            )
        else:
            response = await self._middleware_chain(request)
        return _completed(response, secure=request.is_secure())


def _unreadable() -> HttpResponseBase:
    """Refuse what Django can't even make a request of, such as a query string that is no UTF-8."""
    refusal = errors.BAD_REQUEST
    refused = HttpResponse(refusal.body(), status=refusal.status, content_type="application/json")
    return _completed(refused, secure=False)


def _completed(response: HttpResponseBase, *, secure: bool) -> HttpResponseBase:
    """Add the headers that every answer of the data plane has, but for the content's type, which is there."""
    length = len(response.content) if isinstance(response, HttpResponse) else None
    content_type = response.headers["Content-Type"].encode("latin-1")
    for name, value in headers.fields(headers.of_content(content_type, length, secure=secure))[1:]:
        response.headers[name.decode()] = value.decode()
    return response


async def _unless_hung_up(
    answering: Coroutine[Any, Any, HttpResponseBase], receive: Receive
) -> HttpResponseBase | None:
    """Return the answer, or None when the caller hangs up first; the call is cancelled then."""
    answer = asyncio.ensure_future(answering)
    hang_up = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        for task in (answer, hang_up):
            task.cancel()
        await asyncio.gather(answer, hang_up, return_exceptions=True)
