"""How long the embedding worker will take, learnt from its replies (pure, injectable clock).

The worker is one queue to this process, whoever else fills it: a batch's time is what passed until its reply since
it was sent, or since the reply before it when it had to wait for that. A batch of n texts is taken to cost
`base + n x each`; both are fitted to the replies, later ones counting more.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

_WEIGHT = 0.2
#: What one more text costs of its share of a batch, as long as sizes vary by less than this (squared texts).
_BELIEVED_SHARE, _BELIEF = 0.3, 4.0
#: Batches whose reply is overdue stay known this long: a reply that comes late is worth as much as any other.
_REMEMBERED_SECONDS = 10.0
_MUCH_FASTER = 3.0
_ERRORS = 3.0
_LEAST_MARGIN, _MOST_MARGIN = 0.15, 0.5


@dataclass(kw_only=True)
class ServiceTime:
    """A batch's seconds as a line over its size, by exponentially weighted least squares."""

    size: float = 0.0
    seconds: float = 0.0
    variance: float = 0.0
    covariance: float = 0.0
    known: bool = False

    def learn(self, size: int, seconds: float) -> None:
        if not self.known:
            self.size, self.seconds, self.known = float(size), seconds, True
            return
        more, longer = size - self.size, seconds - self.seconds
        self.size += _WEIGHT * more
        self.seconds += _WEIGHT * longer
        self.variance = (1 - _WEIGHT) * (self.variance + _WEIGHT * more * more)
        self.covariance = (1 - _WEIGHT) * (self.covariance + _WEIGHT * more * longer)

    def of(self, size: int) -> float:
        """Return the seconds that a batch of this size should take."""
        each = self._each()
        return max(0.0, self.seconds + each * (size - self.size))

    def _each(self) -> float:
        """Return the seconds for one more text: at most its share of a batch, since no batch begins for free.

        Batches of one size tell nothing of it. Then a batch is believed to be worth making: who expected
        otherwise would send small ones and never learn better.
        """
        share = self.seconds / self.size if self.size else 0.0
        believed = _BELIEVED_SHARE * share
        slope = (self.covariance + _BELIEF * believed) / (self.variance + _BELIEF)
        return min(max(slope, 0.0), share)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    size: int
    at: float


@dataclass(kw_only=True)
class Pace:
    """What is under way to the worker, and when a text that comes now would be answered."""

    max_batch: int
    first_guess: float
    """Seconds of a full batch, as long as nothing is known."""
    clock: Callable[[], float] = time.monotonic
    _service: ServiceTime = field(default_factory=ServiceTime)
    _under_way: dict[UUID, _Sent] = field(default_factory=dict)
    _overdue: dict[UUID, _Sent] = field(default_factory=dict)
    _last_reply: float = float("-inf")
    _error: float = 0.0

    @property
    def under_way(self) -> int:
        """Batches that may still be answered in time."""
        return len(self._under_way)

    @property
    def texts_under_way(self) -> int:
        return sum(sent.size for sent in self._under_way.values())

    def sent(self, batch: UUID, size: int) -> None:
        self._under_way[batch] = _Sent(size=size, at=self.clock())

    def replied(self, batch: UUID, *, expired: bool = False) -> None:
        """Learn from a reply, also from one that came too late. expired: the texts were dropped, not embedded."""
        now = self.clock()
        sent = self._under_way.pop(batch, None) or self._overdue.pop(batch, None)
        if sent is not None:
            self._learn(sent, now, expired=expired)
        self._last_reply = now

    def _learn(self, sent: _Sent, now: float, *, expired: bool) -> None:
        if expired:
            # All of it was waiting in a queue that others fill too.
            self._service.learn(sent.size, now - sent.at)
            return
        seconds = now - max(sent.at, self._last_reply)
        if seconds < self._service.of(sent.size) / _MUCH_FASTER:
            # A stall is over; what it taught would keep questions away from a fast worker for long.
            self._service, self._error = ServiceTime(), 0.0
        if self._service.known:
            self._error += _WEIGHT * (abs(seconds - self._service.of(sent.size)) - self._error)
        self._service.learn(sent.size, seconds)

    def gave_up(self, batch: UUID) -> float:
        """Stop to count on a reply; return the seconds since it was sent, if nothing at all was answered since."""
        sent = self._under_way.pop(batch, None)
        if sent is None:
            return 0.0
        now = self.clock()
        self._overdue = {
            key: each for key, each in self._overdue.items() if now - each.at < _REMEMBERED_SECONDS
        }
        self._overdue[batch] = sent
        return now - sent.at if self._last_reply <= sent.at else 0.0

    def withdrawn(self, batch: UUID) -> None:
        """Forget a batch that was never published."""
        self._under_way.pop(batch, None)

    def wait(self, ahead: int) -> float:
        """Return the seconds by which a text that has this many others ahead of it, not sent yet, is answered.

        It is the expected time and what the last expectations were wrong by, several times over.
        """
        full, rest = divmod(ahead, self.max_batch)
        own = self._seconds(rest + 1)
        expected = self._until_free() + full * self._seconds(self.max_batch) + own
        margin = min(max(_ERRORS * self._error, _LEAST_MARGIN * expected), _MOST_MARGIN * expected)
        return expected + margin

    def _until_free(self) -> float:
        """Return the seconds until what is under way is answered.

        A batch that is overdue by some time is expected to take as much longer: nothing else is known of it.
        """
        now, waits = self.clock(), 0.0
        for place, sent in enumerate(self._under_way.values()):
            expected = self._seconds(sent.size)
            begun = max(sent.at, self._last_reply)
            waits += expected if place else abs(expected - (now - begun))
        return waits

    def _seconds(self, size: int) -> float:
        return self._service.of(size) if self._service.known else self.first_guess * size / self.max_batch
