"""The log line of every ended call: the very line that `logging` would write (config/logs.py), for a tenth of
its cost, and never waited for.

Lines are made and written for many calls at a time. A reader who falls behind costs lines, which are counted,
and not answers: nothing here waits for a full pipe.
"""

import asyncio
import json
import logging
import os
import select
import time
from collections import deque
from collections.abc import Iterable, Iterator

from django.conf import settings
from prometheus_client import Counter

from analytics.record import CallRecord, FinishedCall, RepeatedCall
from gateway.records import log_fields
from gateway.request_id import shown

LOGGER = "gateway.calls"
_MESSAGE = "call ended"

LINES_LOST = Counter(
    "halfpenny_call_log_lines_lost",
    "Log lines of ended calls that nobody read in time or that a disk refused.",
)

_GATHER_SECONDS = 0.02
_AT_ONCE = 500
#: What a pipe that is ready takes whole and at once (PIPE_BUF): nobody else's line lands in the middle of one.
_PIECE_BYTES = 4096
_MOST_PIECES = 256
_STOP_SECONDS = 0.5
_MOST_KINDS = 10_000
#: What a line says of its one call; the rest recurs.
_OWN_FIELDS = ("request_id", "latency_ms", "upstream_ms", "first_token_ms")


class CallLog:
    """Takes ended calls and writes a line for each, within 50 ms while its reader keeps up.

    Belongs on the thread of one event loop.
    """

    def __init__(self, *, on: bool = True, as_json: bool = True, descriptor: int = 2) -> None:
        """as_json: one object a line, else the plain line for people. descriptor: where lines go."""
        self._on = on
        self._lines = Lines(as_json=as_json)
        self._writer = PatientWriter(descriptor)
        self._waiting: list[FinishedCall] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, call: FinishedCall) -> None:
        """Have the call's line written soon."""
        if not self._on:
            return
        self._waiting.append(call)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._on_time)
        elif len(self._waiting) >= _AT_ONCE:
            self._flush()

    def stop(self) -> None:
        """Write what was put; a reader who does not read holds this up for half a second."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()
        self._writer.finish(_STOP_SECONDS)

    def _on_time(self) -> None:
        self._timer = None
        self._flush()
        if self._writer.behind:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._on_time)

    def _flush(self) -> None:
        calls, self._waiting = self._waiting, []
        self._writer.write(map(self._lines.line_of, calls))


def call_log_of_settings() -> CallLog:
    """Return the call log as CALL_LOG, LOG_JSON and LOG_LEVEL want it; on standard error, like all logging."""
    shows = logging.getLogger(LOGGER).isEnabledFor(logging.INFO)
    return CallLog(on=settings.CALL_LOG and shows, as_json=settings.LOG_JSON)


class Lines:
    """Makes lines; keeps the text that lines of alike calls share."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._shared: dict[tuple[object, ...], str] = {}
        self._second = -1
        self._second_text = ""

    def line_of(self, call: FinishedCall) -> str:
        """Return the line with its end; its time is when the call ended."""
        ended = self._time(call.started_at + call.total_ms / 1000)
        if not self._as_json:
            return f"{ended} INFO {LOGGER} {_MESSAGE}\n"
        if isinstance(call, RepeatedCall):
            prepared = call.prepared
            if prepared.log_text is None:
                prepared.log_text = self._text(prepared.record)
            before, behind = prepared.log_text
        else:
            before, behind = self._text(call)
        return (
            f'{{"time": "{ended}", {_HEAD}, "request_id": "{shown(call.id)}", {before}, '
            f'"latency_ms": {round(call.total_ms, 2)!r}, {behind}}}\n'
        )

    def _text(self, record: CallRecord) -> tuple[str, str]:
        """Return what stands between the request's id and its time, and what stands behind that."""
        kind = _kind(record)
        if (text := self._shared.get(kind)) is None:
            if len(self._shared) >= _MOST_KINDS:
                self._shared.clear()
            fields = log_fields(record)
            recurring = {name: fields[name] for name in fields if name not in _OWN_FIELDS}
            text = self._shared[kind] = json.dumps(recurring)[1:-1]
        first_ms = "null" if record.first_token_ms is None else repr(round(record.first_token_ms, 2))
        return text, f'"upstream_ms": {round(record.upstream_ms, 2)!r}, "first_token_ms": {first_ms}'

    def _time(self, moment: float) -> str:
        second = int(moment)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._second_text},{int((moment - second) * 1000):03d}"


_HEAD = json.dumps({"level": "INFO", "logger": LOGGER, "message": _MESSAGE})[1:-1]


def _kind(record: CallRecord) -> tuple[object, ...]:
    """Return all that log_fields reads, but for what _OWN_FIELDS are made of."""
    return (
        record.key_public_id,
        record.status,
        record.cache_status,
        record.model,
        record.cache_reason,
        record.error_code,
        record.endpoint,
        record.tenant_id,
    )


class PatientWriter:
    """Writes lines to a descriptor as far as it takes them without waiting, and keeps some for later."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: deque[bytes] = deque()
        # Asked before each write instead of setting O_NONBLOCK, which would hold for everybody who shares
        # the open file: the logging of this process, and the shell that started it.
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @property
    def behind(self) -> bool:
        """Whether lines wait for their reader."""
        return bool(self._pieces)

    def write(self, lines: Iterable[str]) -> None:
        """Write what waits and the lines, as far as they are taken; keep the rest up to a bound."""
        self._write_on(0)
        for piece in _pieces_of(lines):
            self._pieces.append(piece)
            self._write_on(0)
            if len(self._pieces) > _MOST_PIECES:
                self._lose(self._pieces.pop())

    def finish(self, seconds: float) -> None:
        """Write what waits within the given time and count the rest as lost."""
        deadline = time.monotonic() + seconds
        while self._pieces and (left := deadline - time.monotonic()) > 0:
            self._write_on(left * 1000)
        while self._pieces:
            self._lose(self._pieces.popleft())

    def _write_on(self, patience_ms: float) -> None:
        while self._pieces and self._poll.poll(patience_ms):
            piece = self._pieces.popleft()
            try:
                written = os.write(self._descriptor, piece)
            except BlockingIOError:
                self._pieces.appendleft(piece)
                return
            except OSError:
                self._lose(piece)
                continue
            if written < len(piece):
                self._pieces.appendleft(piece[written:])

    def _lose(self, piece: bytes) -> None:
        # Not logged: that would be one more line for whoever does not read them.
        LINES_LOST.inc(piece.count(b"\n"))


def _pieces_of(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield as many whole lines at a time as fit into _PIECE_BYTES."""
    piece: list[str] = []
    size = 0
    for line in lines:
        if size + len(line) > _PIECE_BYTES and piece:
            yield "".join(piece).encode()
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield "".join(piece).encode()
