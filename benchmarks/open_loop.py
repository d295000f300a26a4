"""Requests at a constant rate, whatever the answers do: latency counts from when each was due to be sent.

Raw sockets and `select`, whose waits are exact to microseconds: event loops round theirs to milliseconds.
"""

import ctypes
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.client import Answers, Server

DRAIN_SECONDS = 3.0
PR_SET_TIMERSLACK = 29


class Schedule:
    """When requests are due: `rate` a second for so many seconds, the first at once. Times in seconds from 0."""

    def __init__(self, *, rate: float, seconds: float) -> None:
        self._gap = 1 / rate
        self.total = max(1, int(rate * seconds))
        self.seconds = self.total * self._gap
        self._taken = 0

    def due(self, now: float) -> list[float]:
        """Return the times, not returned before, at which requests were due until now."""
        reached = min(self.total, int(now / self._gap) + 1) if now >= 0 else 0
        times = [number * self._gap for number in range(self._taken, reached)]
        self._taken = max(self._taken, reached)
        return times

    def next(self) -> float | None:
        """Return when the next one is due; None after the last."""
        return self._taken * self._gap if self._taken < self.total else None


@dataclass(frozen=True, kw_only=True)
class OpenLoop:
    """What came of it, in seconds. `lags`: how long after its time each request was sent.

    unanswered: requests without an answer DRAIN_SECONDS after the last was due.
    """

    seconds: float
    latencies: list[float]
    lags: list[float]
    outcomes: Counter[str]
    unanswered: int


@dataclass
class _Line:
    """A connection and the request that it waits for."""

    socket: socket.socket
    answers: Answers = field(default_factory=Answers)
    due: float = 0.0


def open_loop(
    server: Server, requests: Iterator[bytes], *, rate: float, seconds: float, connections: int
) -> OpenLoop:
    """Send at the rate; a request that finds all connections busy waits, and its latency grows. Raises OSError."""
    _wait_exactly()
    with ExitStack() as opened:
        lines = [_Line(opened.enter_context(_connected(server))) for _ in range(connections)]
        return _Loop(lines, requests, Schedule(rate=rate, seconds=seconds)).run()


class _Loop:
    """The sending and receiving of one open loop."""

    def __init__(self, lines: list[_Line], requests: Iterator[bytes], schedule: Schedule) -> None:
        self._lines = {line.socket.fileno(): line for line in lines}
        self._requests = requests
        self._schedule = schedule
        self._idle = deque(lines)
        self._waiting: deque[float] = deque()
        self._latencies: list[float] = []
        self._lags: list[float] = []
        self._outcomes: Counter[str] = Counter()

    def run(self) -> OpenLoop:
        total = self._schedule.total
        self._started = time.perf_counter()
        while len(self._latencies) < total and self._now() < self._schedule.seconds + DRAIN_SECONDS:
            self._send()
            self._receive()
        return OpenLoop(
            seconds=self._now(),
            latencies=self._latencies,
            lags=self._lags,
            outcomes=self._outcomes,
            unanswered=total - len(self._latencies),
        )

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _send(self) -> None:
        """Send what is due, as far as connections are free."""
        self._waiting.extend(self._schedule.due(self._now()))
        while self._waiting and self._idle and (request := next(self._requests, None)):
            line = self._idle.popleft()
            line.due = self._waiting.popleft()
            line.socket.sendall(request)
            self._lags.append(self._now() - line.due)

    def _receive(self) -> None:
        """Take what has come until the next request is due."""
        upcoming = self._schedule.next()
        wait = 0.1 if upcoming is None else max(0.0, upcoming - self._now())
        for number in select.select(self._lines, (), (), wait)[0]:
            line = self._lines[number]
            outcome = line.answers.feed(_received(line.socket))
            if outcome is not None:
                self._latencies.append(self._now() - line.due)
                self._outcomes[outcome] += 1
                self._idle.append(line)


def _connected(server: Server) -> socket.socket:
    connection = socket.create_connection(server.address, timeout=5.0)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("hung up")
    return data


def _wait_exactly() -> None:
    """Linux adds up to 50 microseconds to a process's waits unless told otherwise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
