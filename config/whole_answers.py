"""An ASGI extension of our server: an answer whose head and body are at hand goes out in one piece.

ASGI's two messages cost two writes to the socket, and uvicorn looks through each header for what would break the
head; for an answer from memory that is half of all its cost. An application that finds
`scope["extensions"]["halfpenny.whole_answer"]` may call it instead of `send`:

    whole_answer(status, head, body) -> bool

    head   header lines, each with its CRLF, content-length among them; the application vouches for them
    False  not sent (the caller reads slowly, or the answer began already): use `send`
"""

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

EXTENSION = "halfpenny.whole_answer"


class WholeAnswerProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the extension in the scope of each request."""

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        # A request for an upgrade (WebSocket) makes no cycle of its own.
        if self.cycle is not before:
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]
            scope["extensions"] = {EXTENSION: partial(_send_whole, self.cycle)}


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
