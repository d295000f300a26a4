"""What our server offers an application beyond ASGI: an answer from memory costs less than ASGI's messages.

**A whole answer.** Two messages cost two writes to the socket, and uvicorn looks through each header for what
would break the head. An application may call `scope["extensions"]["halfpenny.whole_answer"]` instead of `send`:

    whole_answer(status, head, body) -> bool

    head   header lines, each with its CRLF, content-length among them; the application vouches for them
    False  not sent (the caller reads slowly, or the answer began already): use `send`

**An answer at once.** If the application has an attribute `at_once`, it is asked as soon as a short request is
here whole, before a task is made to run it:

    at_once(scope, body) -> (status, head, body) | None

None: the application runs as ever, with `halfpenny.tried` in its scope. It must not raise, nor wait.

**Requests that never end.** uvicorn waits for ever for the rest of a request. Here each connection knows since
when one is under way, and `close_slow` closes those that take too long: a few bytes each would hold them all.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

EXTENSION = "halfpenny.whole_answer"
TRIED = "halfpenny.tried"

#: Bodies up to this many bytes are waited for; far below where uvicorn would stop reading.
_SHORT = 32_768


class _Waiting(NamedTuple):
    """A request whose body is not whole yet."""

    cycle: RequestResponseCycle
    app: ASGI3Application


class WholeAnswerProtocol(HttpToolsProtocol):
    """uvicorn's protocol with both offers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at_once = getattr(self.config.loaded_app, "at_once", None)
        self._waiting: _Waiting | None = None
        self._reading_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reading_since = self.loop.time()

    def is_slow(self, seconds: float) -> bool:
        """Whether a request, or the first byte of one, has been waited for longer than this."""
        return self._reading_since is not None and self.loop.time() - self._reading_since > seconds

    def _should_upgrade(self) -> bool:
        """A request with a body is no WebSocket's: its handshake would wait for ever for what was read already."""
        return super()._should_upgrade() and not _has_body(self.headers)

    def on_message_begin(self) -> None:
        self._reading_since = self.loop.time()
        # An answer that left amid the bytes of several requests has set the timer of an idle connection.
        self._unset_keepalive_if_required()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._reading_since = None
        super().on_message_complete()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._start_asgi_task(*waiting)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Run the application, unless the request is answered at once or its body is to be waited for."""
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        if self._at_once is not None and app is self.app and _is_short(cycle) and not self.flow.write_paused:
            if cycle.more_body:
                self._waiting = _Waiting(cycle, app)
                return
            answer = self._at_once(scope, bytes(cycle.body))
            if answer is not None:
                _send_whole(cycle, *answer)
                return
            scope[TRIED] = True
        scope["extensions"] = {EXTENSION: partial(_send_whole, cycle)}
        super()._start_asgi_task(cycle, app)


def close_slow(connections: Iterable[Any], seconds: float) -> int:
    """Close the connections of a server on which a request has been coming in for too long; return how many."""
    slow = [each for each in connections if isinstance(each, WholeAnswerProtocol) and each.is_slow(seconds)]
    for connection in slow:
        connection.transport.close()
    return len(slow)


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def _is_short(cycle: RequestResponseCycle) -> bool:
    """Whether the request's body is announced, is short, and comes without being asked for."""
    if cycle.waiting_for_100_continue:
        return False
    for name, value in cycle.scope["headers"]:
        if name == b"content-length":
            return len(value) < 6 and value.isdigit() and int(value) <= _SHORT
    return False


def _send_whole(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes) -> bool:
    """Do what RequestResponseCycle.send does for a start and a last body."""
    if cycle.response_started or cycle.flow.write_paused or cycle.disconnected:
        return False
    pieces = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        pieces += (name, b": ", value, b"\r\n")
    pieces.append(head)
    if not cycle.keep_alive:
        pieces.append(b"connection: close\r\n")
    pieces += (b"\r\n", body)
    cycle.response_started = True
    cycle.transport.write(b"".join(pieces))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
