"""Texts on their way to the embedding worker and back: gathered, sent a batch at a time, settled by replies.

While a batch is under way, further texts gather into the next one, which leaves when the reply comes; only a full
batch leaves before, so that the worker has its next work at hand. A text that could not be answered in time is
refused at once. Belongs to one event loop; it knows no broker and no Redis.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from caching import metrics
from caching.breaker import Breaker
from caching.embedding_frames import EXPIRED, Reply
from caching.pace import Pace
from caching.vectors import Vector

MAX_BATCH = 32
#: Texts that come together should travel together, if there were others a moment ago.
GATHER_SECONDS = 0.002
#: Texts that nobody waits for travel in small batches: a question that comes meanwhile waits for one of them.
PATIENT_BATCH = 8
#: The share of its time that a batch must have been out without any reply to count against the worker. A text that
#: waited before it left has little time left then; that it runs out says nothing.
_SILENCE = 0.75
#: How often a worker that is believed too slow even for one text is tried again.
_PROBE_SECONDS = 1.0


class EmbeddingUnavailable(Exception):
    """There is no vector for a text.

    `reason`: `timeout`, `breaker_open`, `overloaded`, `broker` (the queue or the reply list can't be reached),
    `other_embedder` (the worker has another model than this process expects), `broken_reply`; or, about the
    text itself, `too_long`, `invalid`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def about_text(self) -> bool:
        """Whether no embedder of this kind will ever take the text."""
        return self.reason in ("too_long", "invalid")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Text:
    """A text, who waits for its vector, and until when (on the clock)."""

    text: str
    end: float
    vector: asyncio.Future[Vector]

    def refuse(self, reason: str) -> None:
        if not self.vector.done():
            self.vector.set_exception(EmbeddingUnavailable(reason))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """Texts that travel together; a reply is counted on until `end` (on the clock)."""

    id: UUID
    asked: tuple[_Text, ...]
    end: float

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.asked]

    def refuse(self, reason: str) -> None:
        for each in self.asked:
            each.refuse(reason)

    def settle(self, outcomes: tuple[Vector | str, ...]) -> None:
        for each, outcome in zip(self.asked, outcomes, strict=True):
            if each.vector.done():
                metrics.LATE_REPLIES.inc()
            elif isinstance(outcome, str):
                each.refuse(outcome)
            else:
                each.vector.set_result(outcome)


class EmbeddingLine:
    """The queue in front of the worker."""

    def __init__(
        self,
        publish: Callable[[Batch], None],
        *,
        embedder_id: str,
        breaker: Breaker,
        pace: Pace,
        batch_seconds: float,
        max_texts: int,
        max_tasks: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """publish: begins to send a batch and tells `unpublished` if that fails.

        batch_seconds: how long a reply to a batch is counted on, at most.
        max_texts: waiting and under way together; as many patient ones may wait besides. max_tasks: batches
        under way at once.
        """
        self._publish = publish
        self._embedder_id = embedder_id
        self._breaker = breaker
        self._pace = pace
        self._batch_seconds = batch_seconds
        self._max_texts = max_texts
        self._max_tasks = max_tasks
        self._clock = clock
        self._waiting: deque[_Text] = deque()
        self._patient: deque[_Text] = deque()
        self._under_way: dict[UUID, Batch] = {}
        self._gathering: asyncio.TimerHandle | None = None
        self._had_company = False
        self._next_probe = 0.0
        self._silent = False

    def ask(self, text: str, *, end: float) -> asyncio.Future[Vector]:
        """Queue a text that somebody waits for until `end` (on the clock).

        Raises EmbeddingUnavailable at once when it would not be answered by then.
        """
        if self._breaker.state == "open":
            raise EmbeddingUnavailable("breaker_open")
        if not self._has_room(end):
            raise EmbeddingUnavailable("overloaded")
        if not self._breaker.allows():
            raise EmbeddingUnavailable("breaker_open")
        return self._queue(self._waiting, text, end)

    def ask_patiently(self, text: str, *, end: float) -> asyncio.Future[Vector]:
        """Queue a text that is sent when nobody waits for another; raises EmbeddingUnavailable at once."""
        if self._breaker.state != "closed":
            raise EmbeddingUnavailable("breaker_open")
        if len(self._patient) >= self._max_texts:
            raise EmbeddingUnavailable("overloaded")
        return self._queue(self._patient, text, end)

    def settle(self, reply: Reply) -> None:
        """Give the callers their outcomes. Any reply shows that the worker lives."""
        self._pace.replied(reply.batch, expired=EXPIRED in reply.outcomes)
        self._silent = False
        batch = self._under_way.pop(reply.batch, None)
        refusal = self._refusal(batch, reply)
        if refusal in (None, "timeout"):
            self._breaker.succeeded()
        else:
            self._breaker.failed()
        if batch is None:
            metrics.LATE_REPLIES.inc()
        elif refusal:
            batch.refuse(refusal)
        else:
            batch.settle(reply.outcomes)
        self._send_what_may()

    def unpublished(self, batch: Batch) -> None:
        """Take note that the broker did not take the batch."""
        self._pace.withdrawn(batch.id)
        if self._under_way.pop(batch.id, None) is not None:
            self._breaker.failed()
        batch.refuse("broker")
        self._send_what_may()

    def give_up(self, *, spare_seconds: float = 0.0) -> None:
        """Let go of batches whose time is over, or nearly. Long silence until then counts against the worker."""
        now = self._clock()
        for batch in [each for each in self._under_way.values() if each.end <= now + spare_seconds]:
            del self._under_way[batch.id]
            if self._pace.gave_up(batch.id) >= _SILENCE * self._batch_seconds:
                self._silent = True
                self._breaker.failed()
            batch.refuse("timeout")
        self._send_what_may()

    def close(self) -> None:
        """Refuse everything that still waits."""
        if self._gathering is not None:
            self._gathering.cancel()
        for batch in self._under_way.values():
            batch.refuse("broker")
        for each in (*self._waiting, *self._patient):
            each.refuse("broker")

    def _refusal(self, batch: Batch | None, reply: Reply) -> str | None:
        if reply.embedder_id != self._embedder_id:
            return "other_embedder"
        if EXPIRED in reply.outcomes:
            return "timeout"
        if batch is not None and len(reply.outcomes) != len(batch.asked):
            return "broken_reply"
        return None

    def _has_room(self, end: float) -> bool:
        """Return whether a text would be answered in time, and would make none of its batch late."""
        ahead = len(self._waiting)
        if ahead + self._pace.texts_under_way >= self._max_texts:
            return False
        place = ahead % MAX_BATCH
        soonest = min(end, self._waiting[ahead - place].end) if place else end
        if self._pace.wait(ahead) <= soonest - self._clock():
            return True
        return not ahead and not self._pace.under_way and self._may_probe()

    def _may_probe(self) -> bool:
        now = self._clock()
        due = now >= self._next_probe
        if due:
            self._next_probe = now + _PROBE_SECONDS
        return due

    def _queue(self, line: deque[_Text], text: str, end: float) -> asyncio.Future[Vector]:
        asked = _Text(text=text, end=end, vector=asyncio.get_running_loop().create_future())
        line.append(asked)
        if self._gathering is None:
            wait = GATHER_SECONDS if self._had_company else 0.0
            self._gathering = asyncio.get_running_loop().call_later(wait, self._gathered)
        return asked.vector

    def _gathered(self) -> None:
        self._gathering = None
        self._send_what_may()

    def _send_what_may(self) -> None:
        while batch := self._next_batch():
            self._had_company = len(batch.asked) > 1
            self._under_way[batch.id] = batch
            self._pace.sent(batch.id, len(batch.asked))
            asyncio.get_running_loop().call_later(max(0.0, batch.end - self._clock()), self.give_up)
            self._publish(batch)

    def _next_batch(self) -> Batch | None:
        """Return what leaves now: questions first, patient texts only when the worker would be idle.

        A silent worker is tried with questions, whose time is short anyway.
        """
        now = self._clock()
        asked: tuple[_Text, ...] = ()
        if len(self._waiting) >= MAX_BATCH and len(self._under_way) < self._max_tasks:
            asked = _take(self._waiting, MAX_BATCH, now)
        elif not self._under_way and self._gathering is None:
            asked = _take(self._waiting, MAX_BATCH, now)
            if not asked and not self._silent:
                asked = _take(self._patient, PATIENT_BATCH, now)
        if not asked:
            return None
        last = max(each.end for each in asked)
        return Batch(id=uuid4(), asked=asked, end=min(last, now + self._batch_seconds))


def _take(line: deque[_Text], most: int, now: float) -> tuple[_Text, ...]:
    """Take the next texts that somebody still waits for out of the line."""
    taken: list[_Text] = []
    while line and len(taken) < most:
        each = line.popleft()
        if not each.vector.done() and each.end > now:
            taken.append(each)
    return tuple(taken)
