"""Calls of an ASGI application with full say over bytes: header fields, pieces of the body, hang-ups."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Application = Callable[..., Awaitable[None]]
Fields = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller sends."""

    method: str = "POST"
    path: str = "/chat"
    query: bytes = b""
    scheme: str = "http"
    fields: Fields = ()
    pieces: tuple[bytes, ...] = (b"",)
    hangs_up: bool = False
    """After the last piece, before the end of the body."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a caller gets."""

    status: int
    fields: Fields
    body: bytes

    def values(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key == name.encode()]


def post(key: str | None, body: bytes, *more: tuple[bytes, bytes]) -> Request:
    """Return a plain question; more: further header fields."""
    signed = ((b"authorization", f"Bearer {key}".encode()),) if key else ()
    return Request(fields=((b"content-type", b"application/json"), *signed, *more), pieces=(body,))


async def send(application: Application, request: Request) -> Reply | None:
    """Send the request; None if the application let a caller who hung up go without an answer."""
    events = [{"type": "http.request", "body": piece, "more_body": True} for piece in request.pieces]
    events[-1]["more_body"] = request.hangs_up
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        if events:
            return events.pop(0)
        if not request.hangs_up:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def note(event: Mapping[str, Any]) -> None:
        sent.append(event)

    await application(scope_of(request), receive, note)
    return _reply(sent)


def scope_of(request: Request) -> dict[str, Any]:
    """Return the request as ASGI applications see it, less its body."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query,
        "root_path": "",
        "headers": [(b"host", b"localhost"), *request.fields],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }


def _reply(sent: list[Mapping[str, Any]]) -> Reply | None:
    if not sent:
        return None
    start, *bodies = sent
    assert start["type"] == "http.response.start"
    assert all(event["type"] == "http.response.body" for event in bodies)
    assert [event.get("more_body", False) for event in bodies] == [True] * (len(bodies) - 1) + [False]
    return Reply(
        status=start["status"],
        fields=tuple((bytes(name).lower(), bytes(value)) for name, value in start["headers"]),
        body=b"".join(event.get("body", b"") for event in bodies),
    )
