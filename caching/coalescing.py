"""Single-flight: of many callers who ask the same at once, one asks upstream and the others get its answer.

A flight is one question on its way, from the first caller who misses to the answer. In a process all callers of
a question join one flight, and only the flight speaks to Redis: it claims the question's lease (caching.leases).

    claimed               the caller who has waited longest leads: it asks upstream
    another process's     the flight waits for that one, and reads its answer from the exact cache
    a cache unavailable   the flight goes on without a lease: one caller of this process leads

A leader that fails, hangs up or dies is followed by one of those who wait, in whichever process. Nobody waits
for more than MOST_LEADERS leaders in turn, or beyond the deadline of its own call; then it goes alone. Each
caller asks upstream once at most, so there are never more calls upstream than without coalescing.
"""

import asyncio
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from caching import metrics
from caching.answers import StoredAnswer
from caching.exact import CacheUnavailable, ExactStore
from caching.leases import LEASE_SECONDS, Ended, Ending, Held, Leases, LeasesUnavailable

log = logging.getLogger(__name__)

#: How many leaders a caller waits for in turn: the first, and two who took over.
MOST_LEADERS = 3

#: The exact cache is written while the lease ends: so long may an answer that is kept not be there yet.
_KEEPING_SECONDS = 0.6
_SHORTEST_PAUSE = 0.02
_LONGEST_PAUSE = 0.25

Key = tuple[int, bytes]
"""Tenant and fingerprint."""

LeadEnding = StoredAnswer | Literal[Ending.UNSHARED, Ending.FAILED]


class Lead:
    """The order to ask upstream for all who ask the same; `finish` must be called, however that ends."""

    def __init__(self, *, leased: bool) -> None:
        """leased: no other process leads; else that is not known."""
        self.leased = leased
        self.took_over = False
        """Whether the caller waited for another leader before."""
        self._ending: asyncio.Future[LeadEnding] = asyncio.get_running_loop().create_future()

    def finish(self, ending: LeadEnding) -> None:
        """Say once what became of it: an answer for all, one that nobody else may have, or none."""
        self._ending.set_result(ending)

    @property
    def is_finished(self) -> bool:
        return self._ending.done()

    async def finished(self, *, within_s: float) -> LeadEnding | None:
        """Return the ending, None if there is none in that time."""
        await asyncio.wait([self._ending], timeout=within_s)
        return self._ending.result() if self._ending.done() else None


Joined = Lead | StoredAnswer | None
"""What a caller is to do: ask for all, take the answer, or (None) go alone."""


class Flights:
    """The flights of one process. It belongs to one event loop."""

    def __init__(self, leases: Leases, exact: ExactStore, *, lease_s: float = LEASE_SECONDS) -> None:
        """lease_s: how long a claim holds; a leader's is renewed three times as often."""
        self._leases = leases
        self._exact = exact
        self._renew_s = lease_s / 3
        self._aloft: dict[Key, _Flight] = {}
        self._tasks: dict[asyncio.Task[None], _Flight] = {}

    async def join(self, tenant_id: int, fingerprint: bytes, *, until: float) -> Joined:
        """Join the flight of this question and wait to be told what to do.

        until: the call's deadline, on time.monotonic(). Whether this caller may have the answer that the leader
        was given is for the caller to know.
        """
        key = (tenant_id, fingerprint)
        flight = self._aloft.get(key)
        if flight is None:
            flight = self._aloft[key] = _Flight()
            task = asyncio.create_task(self._fly(key, flight))
            self._tasks[task] = flight
            task.add_done_callback(self._tasks.pop)
        return await flight.wait(until)

    async def drain(self) -> None:
        """Wait until the leases of all flights that no caller needs any more are ended."""
        while ending := [task for task, flight in self._tasks.items() if not flight.has_callers]:
            await asyncio.wait(ending)

    async def close(self) -> None:
        """Send callers that still wait on their own way. A lease that is held expires."""
        await self.drain()
        self._aloft.clear()
        for task, flight in list(self._tasks.items()):
            flight.tell(None)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fly(self, key: Key, flight: "_Flight") -> None:
        try:
            await self._see_through(key, flight)
        except Exception:
            # Nobody awaits the task: an error of our own would leave its callers waiting.
            log.exception("coalescing failed")
            self._land(key, flight, None)

    async def _see_through(self, key: Key, flight: "_Flight") -> None:
        """Lead, wait, take over, until every caller of the flight has been told what to do."""
        while flight.is_waited_for:
            # A token for each leader: other processes see by it that one has followed another.
            token = secrets.token_hex(8)
            found = await self._seek(key, flight, token)
            if not isinstance(found, Lead):
                self._land(key, flight, found)
                return
            ending = await self._led(key, flight, token, found)
            if ending is Ending.FAILED:
                flight.lose_leader()
            else:
                self._land(key, flight, ending if isinstance(ending, StoredAnswer) else None)
            with suppress(LeasesUnavailable):
                await self._leases.end(*key, token, ending if isinstance(ending, Ending) else Ending.KEPT)
            if flight.landed:
                return
        self._land(key, flight, None)

    def _land(self, key: Key, flight: "_Flight", result: StoredAnswer | None) -> None:
        self._aloft.pop(key, None)
        flight.tell(result)

    async def _seek(self, key: Key, flight: "_Flight", token: str) -> Joined:
        try:
            return await self._claim_or_wait(key, flight, token)
        except (LeasesUnavailable, CacheUnavailable) as error:
            metrics.UNAVAILABLE.labels(layer="coalescing", reason=error.reason).inc()
            return Lead(leased=False)

    async def _claim_or_wait(self, key: Key, flight: "_Flight", token: str) -> Joined:
        """Return a lead if the lease is ours, or what became of another process's leader."""
        began, leader = time.monotonic(), None
        while True:
            match await self._leases.claim(*key, token):
                case None if leader is None:
                    return Lead(leased=True)
                case None:
                    return await self._take_over(key, flight, token)
                case Held(token=holder):
                    if leader not in (None, holder):
                        flight.lose_leader()
                    leader, flight.is_led = holder, True
                case Ended(ending=Ending.UNSHARED):
                    return None
                case Ended(age_s=age_s):
                    if answer := await self._kept(key):
                        return answer
                    if age_s > _KEEPING_SECONDS:
                        # It was purged, or could not be written: the question is open again.
                        await self._leases.end(*key, Ending.KEPT, Ending.FAILED)
            if not flight.is_waited_for:
                return None
            await asyncio.sleep(_pause(time.monotonic() - began))

    async def _take_over(self, key: Key, flight: "_Flight", token: str) -> Joined:
        """Return a lead, unless the leader that is gone died after it had stored its answer."""
        answer = await self._kept(key)
        if answer is None:
            flight.lose_leader()
            return Lead(leased=True)
        await self._leases.end(*key, token, Ending.KEPT)
        return answer

    async def _kept(self, key: Key) -> StoredAnswer | None:
        """Return what a leader has kept. A stale answer is no leader's: it is why one was sent for."""
        answer = await self._exact.get(*key)
        return answer if answer and answer.stale_at > time.time() else None

    async def _led(self, key: Key, flight: "_Flight", token: str, lead: Lead) -> LeadEnding:
        """Have a caller lead; return how that ended. The lease holds until then."""
        if not flight.give(lead):
            return Ending.FAILED
        while (ending := await lead.finished(within_s=self._renew_s)) is None:
            with suppress(LeasesUnavailable):
                await self._leases.claim(*key, token)
        return ending


@dataclass(eq=False, slots=True)
class _Waiter:
    told: "asyncio.Future[Joined]"
    leaders_lost: int = 0


class _Flight:
    """Who leads, and who waits, in order."""

    def __init__(self) -> None:
        self.landed = False
        self.is_led = False
        """Whether there is or was a leader, here or in another process."""
        self._lead: Lead | None = None
        self._waiting: dict[_Waiter, None] = {}

    @property
    def has_callers(self) -> bool:
        return self.is_waited_for or (self._lead is not None and not self._lead.is_finished)

    @property
    def is_waited_for(self) -> bool:
        return any(not waiter.told.done() for waiter in self._waiting)

    async def wait(self, until: float) -> Joined:
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        self._waiting[waiter] = None
        try:
            async with asyncio.timeout(until - time.monotonic()):
                return await waiter.told
        except (TimeoutError, asyncio.CancelledError) as error:
            _hand_back(waiter.told)
            if isinstance(error, TimeoutError):
                return None
            raise
        finally:
            self._waiting.pop(waiter, None)

    def give(self, lead: Lead) -> bool:
        """Give the lead to the caller who has waited longest; False if nobody waits any more."""
        for waiter in list(self._waiting):
            del self._waiting[waiter]
            if not waiter.told.done():
                lead.took_over, self.is_led, self._lead = self.is_led, True, lead
                waiter.told.set_result(lead)
                return True
        return False

    def tell(self, result: StoredAnswer | None) -> None:
        """Tell everybody who waits; nobody can join any more."""
        self.landed = True
        for waiter in self._waiting:
            _tell(waiter, result)

    def lose_leader(self) -> None:
        """A leader is gone without an answer: who has waited for its last one goes alone."""
        for waiter in self._waiting:
            waiter.leaders_lost += 1
            if waiter.leaders_lost >= MOST_LEADERS:
                _tell(waiter, None)


def _tell(waiter: _Waiter, result: StoredAnswer | None) -> None:
    if not waiter.told.done():
        waiter.told.set_result(result)


def _hand_back(told: "asyncio.Future[Joined]") -> None:
    """A caller gives up: had it been told to lead in that very moment, another has to."""
    if told.done() and not told.cancelled() and isinstance(lead := told.result(), Lead):
        lead.finish(Ending.FAILED)


def _pause(waited_s: float) -> float:
    """Return the seconds until the lease is looked at again: about a tenth of the time that it took so far."""
    return min(max(_SHORTEST_PAUSE, waited_s / 10), _LONGEST_PAUSE)
