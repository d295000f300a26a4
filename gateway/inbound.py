"""What stands between the socket and Django: bounds that neither the HTTP parser nor Django sets in time.

httptools takes a header of 200 KB and two thousand headers, and Django writes a body to disk before it looks
at its size.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Protocol, TypeVar

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPDisconnectEvent,
    HTTPScope,
    Scope,
)
from django.conf import settings

from gateway import errors
from gateway.errors import Refusal

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class AtOnce(Protocol[Answer_co]):
    """Answers a whole request without waiting for anybody, or not at all."""

    def __call__(self, scope: dict[str, Any], body: bytes, /) -> Answer_co | None: ...


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

    @staticmethod
    def bounded(at_once: AtOnce[Answer]) -> AtOnce[Answer]:
        """Return the function with the bounds on headers before it; what is beyond them isn't answered at once."""

        def within_bounds(scope: dict[str, Any], body: bytes) -> Answer | None:
            return None if _oversized(scope["headers"]) else at_once(scope, body)

        return within_bounds

    async def _http(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if _oversized(scope["headers"]):
            await _refuse(send, errors.HEADERS_TOO_LARGE)
            return
        length = _announced_length(scope["headers"])
        if length is not None:
            if length > settings.MAX_BODY_BYTES:
                await _refuse(send, errors.BODY_TOO_LARGE)
            else:
                # The parser lets no more through than was announced.
                await self._application(scope, receive, send)
            return
        body = _BoundedBody(receive)
        await self._application(scope, body.receive, send)
        if body.is_too_large:
            await _refuse(send, errors.BODY_TOO_LARGE)


class _BoundedBody:
    """A request's body as it comes in; when it grows too large, the application sees the caller hang up.

    Django then closes the file that it spooled the body to and sends nothing, so that we may answer.
    """

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive
        self._taken = 0

    @property
    def is_too_large(self) -> bool:
        return self._taken > settings.MAX_BODY_BYTES

    async def receive(self) -> ASGIReceiveEvent:
        event = await self._receive()
        if event["type"] == "http.request":
            self._taken += len(event["body"])
        return HTTPDisconnectEvent(type="http.disconnect") if self.is_too_large else event


def _oversized(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    texts = list(chain.from_iterable(headers))
    return len(texts) > 2 * settings.MAX_HEADER_COUNT or sum(map(len, texts)) > settings.MAX_HEADER_BYTES


def _announced_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the greatest length that is announced; None if the body comes in pieces of any number."""
    length = None
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            length = max(length or 0, int(value))
        elif name == b"transfer-encoding":
            return None
    return length


async def _refuse(send: ASGISendCallable, refusal: Refusal) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send(
        {"type": "http.response.start", "status": refusal.status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": refusal.body(), "more_body": False})
