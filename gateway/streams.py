"""Sending streamed answers: pieces as they come, an end that says how it ended, and nothing left running behind.

Whoever hangs up, or reads nothing for too long, ends the call: the upstream's connection is closed and the record
says 499, with what was sent until then.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase

from gateway import asking, errors
from gateway.call import ChatCall, ChatOutcome
from gateway.reading import Receive
from gateway.relay import Relay
from gateway.rendering.form import StreamForm, error_event

log = logging.getLogger(__name__)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Finish = Callable[[ChatOutcome], None]
"""Takes how a call ended."""


class Stream:
    """A streamed answer whose first piece is there."""

    def __init__(
        self,
        call: ChatCall,
        form: StreamForm,
        relay: Relay,
        answering: "asyncio.Future[ChatOutcome]",
        *,
        finish: Finish,
        hung_up: Callable[[], None],
    ) -> None:
        """answering: the pipeline's run. finish: told how the stream ended; hung_up: called instead if its
        caller went away. One of them, once.
        """
        self._call = call
        self._form = form
        self._relay = relay
        self._answering = answering
        self._finish = finish
        self._hung_up = hung_up
        self._finished = False

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send the whole stream, each piece as soon as it comes."""
        arrival, opening = self._call.admission.arrival, self._relay.opening
        assert opening is not None
        while chunks := await self._relay.take():
            if events := b"".join([self._form.piece(each, opening, arrival.request_id) for each in chunks]):
                await send(events)
        outcome = await self._ended()
        if outcome.refusal is not None:
            await send(error_event(outcome.refusal))
        else:
            await send(self._form.ending(outcome, arrival.request_id, arrival.elapsed_ms()))
        self._finished = True
        self._finish(outcome)

    def close(self) -> None:
        """Let go of everything; if the stream didn't come to its end, its caller hung up."""
        self._answering.cancel()
        if not self._finished:
            self._finished = True
            self._hung_up()

    async def _ended(self) -> ChatOutcome:
        """Return how the call ended; one that has to end early has what was sent of it."""
        if (refusal := self._relay.refusal) is None:
            return await self._answering
        return await asking.broken_off(self._relay, errors.as_seen_at(self._call.endpoint, refusal))


class StreamedAnswer(HttpResponseBase):
    """The response that a door returns for a stream; gateway.lean sends it."""

    streaming = True

    def __init__(self, stream: Stream, *, content_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(content_type=content_type, headers=dict(headers))
        self.stream = stream


async def send(response: StreamedAnswer, receive: Receive, send: Send) -> None:
    """Send a stream until its end, or until its caller hangs up or reads nothing for too long."""
    writer = _Writer(send)
    sending = asyncio.ensure_future(_send(response, writer.send))
    hang_up = asyncio.ensure_future(receive())
    try:
        await _until_over({sending, hang_up}, writer)
    finally:
        response.stream.close()
        for task in (sending, hang_up):
            task.cancel()
        failed, _ = await asyncio.gather(sending, hang_up, return_exceptions=True)
    if isinstance(failed, Exception):
        log.error("a stream failed", exc_info=failed)


class _Writer:
    """Sends to the caller, and knows for how long they may still read nothing: a timer for each piece costs more
    than sending it.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._since: float | None = None

    async def send(self, message: Mapping[str, Any]) -> None:
        self._since = time.monotonic()
        await self._send(message)
        self._since = None

    def seconds_left(self) -> float:
        most: float = settings.STREAM_WRITE_SECONDS
        return most if self._since is None else self._since + most - time.monotonic()


async def _until_over(tasks: "set[asyncio.Future[Any]]", writer: _Writer) -> None:
    """Wait until one of the tasks is done, or the caller reads nothing for too long."""
    while (left := writer.seconds_left()) > 0:
        done, _ = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return
    log.info("a caller read nothing of a stream for too long")


async def _send(response: StreamedAnswer, send: Send) -> None:
    async def send_piece(piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})

    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await response.stream.run(send_piece)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
