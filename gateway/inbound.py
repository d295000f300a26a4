"""What stands between the socket and Django: bounds that neither the HTTP parser nor Django sets in time.

httptools takes a header of 200 KB and two thousand headers, and Django writes a body to disk before it looks
at its size.
"""

from collections.abc import Iterable

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from django.conf import settings

from gateway import errors
from gateway.errors import Refusal


class BodyTooLarge(Exception):
    """More body came than the gateway takes."""


class InboundGuard:
    """Refuses requests with too many or too large headers (431) and bodies that are too large (413)."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket" and _oversized(scope["headers"]):
            await send({"type": "websocket.close", "code": 1008, "reason": None})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if _oversized(scope["headers"]):
            await _refuse(send, errors.HEADERS_TOO_LARGE)
            return
        if _announced_length(scope["headers"]) > settings.MAX_BODY_BYTES:
            await _refuse(send, errors.BODY_TOO_LARGE)
            return
        try:
            await self._application(scope, _counted(receive), send)
        except BodyTooLarge:
            await _refuse(send, errors.BODY_TOO_LARGE)


def _counted(receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """Return a receive that raises BodyTooLarge as soon as too much has come, announced or not."""
    taken = 0

    async def counted() -> ASGIReceiveEvent:
        nonlocal taken
        event = await receive()
        if event["type"] == "http.request":
            taken += len(event["body"])
            if taken > settings.MAX_BODY_BYTES:
                raise BodyTooLarge
        return event

    return counted


def _oversized(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    sizes = [len(name) + len(value) for name, value in headers]
    return len(sizes) > settings.MAX_HEADER_COUNT or sum(sizes) > settings.MAX_HEADER_BYTES


def _announced_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    lengths = [value for name, value in headers if name == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)


async def _refuse(send: ASGISendCallable, refusal: Refusal) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send(
        {"type": "http.response.start", "status": refusal.status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": refusal.body(), "more_body": False})
