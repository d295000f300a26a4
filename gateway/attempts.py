"""Asking targets until one answers: the keys of a target in the conversation's order, then the next target.

    refused key, no credit, 429     the target's next key, at once; without one a 429 is waited out
    no connection, 5xx, timeout     backoff, then the target's next key or the same again; then the next target
    no sense, broken off, silence   the next target
    too long, not supported, 404    the next target; nobody's fault
    refused request                 the end: others would be told the same

Each attempt after a call's first is paid for from the retry budget. Keys and targets that rest (routing.health)
are passed over without being asked. Once a piece of a stream was passed on there is no other attempt.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.deadlines import Deadlines, deadlines_of
from gateway.failures import FailureKind, UpstreamFailure
from gateway.providers.dialect import Chunk
from gateway.retry import GiveUp, RetryAfter, RetryBudget, plan_retry
from gateway.upstream import Upstream, UpstreamAnswer
from routing.balance import ranked
from routing.catalog import EncryptedKey, ProviderAccess, Target
from routing.health import Lane, Look, Outcome, lane_of
from routing.metrics import ATTEMPTS

__all__ = ["Answered", "Attempt", "Failed", "RetryBudget", "ask_with_retries"]

log = logging.getLogger(__name__)

#: Another target would be told the same.
_FINAL = frozenset({FailureKind.REFUSED_REQUEST})
#: Of the key, not of the target.
_OF_KEY = frozenset({FailureKind.REFUSED_KEY, FailureKind.OUT_OF_QUOTA, FailureKind.RATE_LIMITED})
#: The key is taken out for it.
_OUT = frozenset({FailureKind.REFUSED_KEY, FailureKind.OUT_OF_QUOTA})
_NOBODYS_FAULT = frozenset({FailureKind.CONTEXT_LENGTH, FailureKind.UNSUPPORTED, FailureKind.UNKNOWN_MODEL})
#: A target that takes longer, waits included, isn't asked again while there is another one.
_PATIENCE_SECONDS = 2.0
#: Nor by calls that come while a rate limit rests already: they would all wait, and then come at once.
_QUEUE_SECONDS = 10.0
#: What callers are told at most when everything rests: whatever heals is found by one of them.
_MOST_RETRY_AFTER = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try at one target."""

    target: str
    """Its full name."""
    key: str = ""
    """The beginning of the provider key's uid; empty for providers without keys."""
    reason: str
    """`ok`, or the kind of the failure."""
    ms: float
    status: int | None = None
    """The upstream's HTTP status, if it got as far as that."""

    def as_dict(self) -> dict[str, Any]:
        shown = {"target": self.target, "reason": self.reason, "ms": self.ms}
        if self.key:
            shown["key"] = self.key
        if self.status is not None:
            shown["status"] = self.status
        return shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A target answered."""

    target: Target
    answer: UpstreamAnswer
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """No target answered in time."""

    kind: FailureKind
    """Of the last attempt; RESTING if there was none, since everything rests."""
    retry_after: float | None
    """Seconds that the upstream asked us to wait, or until something returns from its rest."""
    attempts: tuple[Attempt, ...]
    param: str | None = None
    """The field of the request that the last provider's API has no room for, where that is what failed."""


class Passing(Protocol):
    """Where the pieces of a streamed answer go."""

    @property
    def begun(self) -> bool:
        """Whether a piece was passed on: from then on no other attempt may be made."""

    async def pass_on(self, target: Target, attempts: Sequence[Attempt], chunk: Chunk) -> None:
        """Pass a piece on; attempts: those that failed, and this one as far as it has come. May wait."""


class UpstreamHealth(Protocol):
    """What is known of keys and targets (routing.health.Health)."""

    def look(self, lane: Lane) -> Look: ...
    async def claim(self, lane: Lane, *, early: bool = False) -> bool: ...
    def note(
        self, lane: Lane, outcome: Outcome, *, probe: bool = False, retry_after: float | None = None
    ) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked, and where it may be."""

    targets: Sequence[Target]
    """In order."""
    accesses: Mapping[str, ProviderAccess]
    """By provider slug."""
    body: Mapping[str, Any] = field(repr=False)
    started: float
    """When the call's time began to run, on the clock of time.monotonic()."""
    max_attempts: int
    """Per target, counting the first."""
    affinity: Callable[[], bytes]
    """What the conversation's turns have in common (gateway.affinity)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chance:
    """Time and dice; tests have their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: Callable[[], float] = random.random


async def ask_with_retries(
    upstream: Upstream,
    question: Question,
    *,
    health: UpstreamHealth,
    budget: RetryBudget,
    passing: Passing | None = None,
    chance: Chance | None = None,
) -> Answered | Failed:
    """Ask until a target answers. passing: takes a streamed answer as it comes."""
    budget.earn()
    call = _Call(upstream, question, health, budget, passing=passing, chance=chance or Chance())
    try:
        return await call.run()
    finally:
        call.settle()


@dataclass(frozen=True, slots=True)
class _Way:
    """A lane that a call may use, and the key that goes with it."""

    lane: Lane
    key: EncryptedKey | None
    probe: bool = False
    """It was resting: this call is the one that sees whether it still has to."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A call's time at one target."""

    target: Target
    access: ProviderAccess
    deadlines: Deadlines
    began: float


class _Call:
    """One call's way through its targets and their keys."""

    def __init__(
        self,
        upstream: Upstream,
        question: Question,
        health: UpstreamHealth,
        budget: RetryBudget,
        *,
        passing: Passing | None,
        chance: Chance,
    ) -> None:
        self._upstream, self._question, self._health = upstream, question, health
        self._budget, self._passing, self._chance = budget, passing, chance
        self._attempts: list[Attempt] = []
        self._failure = UpstreamFailure(FailureKind.RESTING)
        self._left: dict[Lane, UpstreamFailure] = {}
        """Lanes that failed in this call, the earliest first, and how they did last."""
        self._way: _Way | None = None
        """The lane in use, of which health hasn't heard yet."""
        self._verdict = Outcome.NOTHING
        """What it is to hear: one verdict per call, however often the lane was tried."""
        self._free = True
        """Whether the next attempt costs nothing."""
        self._affinity: bytes | None = None

    async def run(self) -> Answered | Failed:
        for target in self._question.targets:
            answered = await self._at(target)
            if answered or self._over():
                return answered or self._failed()
            self._blame(target)
        if not self._attempts:
            return await self._last_resort() or self._failed()
        return self._failed()

    def settle(self) -> None:
        """Tell health how the lane in use did."""
        way, self._way = self._way, None
        if way is not None and (way.probe or self._verdict is not Outcome.NOTHING):
            retry_after = self._failure.retry_after
            self._health.note(way.lane, self._verdict, probe=way.probe, retry_after=retry_after)
        self._verdict = Outcome.NOTHING

    def _blame(self, target: Target) -> None:
        """What failed under several keys isn't the keys' fault: under the others it would have failed as well."""
        if not (access := self._question.accesses.get(target.provider)):
            return
        lanes = [lane for lane, _ in self._lanes(target, access)]
        failed = [lane for lane in lanes if lane in self._left and self._harmed(lane)]
        if len(failed) > 1:
            for lane in lanes:
                if lane not in self._left:
                    self._health.note(lane, Outcome.FAILED)

    def _harmed(self, lane: Lane) -> bool:
        return _outcome_of(self._left[lane], fair=True) is Outcome.FAILED

    async def _at(self, target: Target, way: _Way | None = None) -> Answered | None:
        """Ask one target, under as many of its keys and as often as it takes and may be.

        way: where to begin, if that isn't to be looked for.
        """
        access = self._question.accesses.get(target.provider)
        if access is None:
            self._failure = UpstreamFailure(FailureKind.CONNECT, detail="provider not active")
            return None
        visit = _Visit(target, access, deadlines_of(target, self._question.started), self._chance.clock())
        way = way or await self._next_way(target, access)
        if way is None:
            way = await self._after_its_limit(visit, 1)
        elif not self._pay(way.lane):
            way = None
        for number in range(1, self._question.max_attempts + 1):
            if way is None or self._chance.clock() >= visit.deadlines.total_at:
                return None
            answered = await self._try(way, visit)
            if answered or self._over() or number == self._question.max_attempts:
                return answered
            way = await self._again(visit, number)
        return None

    async def _try(self, way: _Way, visit: _Visit) -> Answered | None:
        self._use(way)
        target, deadlines = visit.target, visit.deadlines
        started = self._chance.clock()
        try:
            on_chunk = self._passing_on(way, target, started) if self._passing else None
            answer = await self._upstream.ask(
                target, visit.access, way.key, self._question.body, deadlines=deadlines, on_chunk=on_chunk
            )
        except UpstreamFailure as failure:
            enough = deadlines.total_at - started >= (deadlines.total_at - self._question.started) / 2
            # A stream that came until its time was over is a long answer, or one that is read slowly.
            self._fail(way, failure, target, started, fair=enough and not self._begun)
            return None
        self._verdict = Outcome.ANSWERED
        self._attempts.append(self._attempt(way, target, "ok", started, 200))
        ATTEMPTS.labels(target.provider, "ok").inc()
        self.settle()
        return Answered(target=target, answer=answer, attempts=tuple(self._attempts))

    def _use(self, way: _Way) -> None:
        if self._way is None or (self._way.lane, self._way.probe) != (way.lane, way.probe):
            self.settle()
            self._way = way

    def _fail(
        self, way: _Way, failure: UpstreamFailure, target: Target, started: float, *, fair: bool
    ) -> None:
        reason = failure.kind.value
        self._failure = failure
        self._attempts.append(self._attempt(way, target, reason, started, failure.status))
        ATTEMPTS.labels(target.provider, reason).inc()
        self._left[way.lane] = failure
        self._free = failure.kind in _NOBODYS_FAULT
        self._verdict = _outcome_of(failure, fair)
        if self._verdict is not Outcome.FAILED:
            self.settle()
        _report(self._attempts[-1], failure, len(self._attempts))

    async def _again(self, visit: _Visit, number: int) -> _Way | None:
        """Return the way for another attempt at the same target, paid for and its wait waited; None: no other."""
        seconds = 0.0
        if self._failure.kind not in _OF_KEY:
            plan = self._plan(self._failure, visit, number)
            if isinstance(plan, GiveUp):
                return None
            seconds = plan.seconds
        way = await self._next_way(visit.target, visit.access)
        if way is None:
            return await self._after_its_limit(visit, number)
        if not self._pay(way.lane):
            return None
        if seconds:
            await self._chance.sleep(seconds)
        return way

    def _plan(self, failure: UpstreamFailure, visit: _Visit, number: int) -> RetryAfter | GiveUp:
        deadline = visit.deadlines.total_at
        if visit.target is not self._question.targets[-1]:
            deadline = min(deadline, visit.began + _PATIENCE_SECONDS)
        return plan_retry(
            failure,
            attempt=number,
            # Attempts are counted by the visit; a first one may have to wait as well.
            max_attempts=number + 1,
            now=self._chance.clock(),
            deadline=deadline,
            random=self._chance.dice,
        )

    async def _after_its_limit(self, visit: _Visit, number: int) -> _Way | None:
        """Wait until the first of the target's rate-limited lanes may be used again, if that is worth it."""
        now = self._chance.clock()
        returns = [
            (max(look.until - now, self._told_to_wait(lane)), lane)
            for lane, _ in self._lanes(visit.target, visit.access)
            if (look := self._health.look(lane)).limited
        ]
        if not returns:
            return None
        seconds, lane = min(returns, key=lambda each: each[0])
        if seconds > _QUEUE_SECONDS and lane not in self._left:
            return None
        limit = UpstreamFailure(FailureKind.RATE_LIMITED, retry_after=seconds)
        plan = self._plan(limit, visit, number)
        if isinstance(plan, GiveUp) or not self._pay(lane):
            return None
        await self._chance.sleep(plan.seconds)
        return await self._next_way(visit.target, visit.access)

    def _told_to_wait(self, lane: Lane) -> float:
        """Return what this very call was told: health bounds it, and this call doesn't ask again sooner."""
        failure = self._left.get(lane)
        return failure.retry_after or 0.0 if failure else 0.0

    async def _next_way(self, target: Target, access: ProviderAccess) -> _Way | None:
        """Return the first lane that may be used: those that failed in this call come last."""
        lanes = list(self._lanes(target, access))
        for lane, key in lanes:
            if lane not in self._left and (way := await self._open(lane, key)):
                return way
        for lane in self._left:
            for known, key in lanes:
                if lane == known and (way := await self._open_again(lane, key)):
                    return way
        return None

    async def _open_again(self, lane: Lane, key: EncryptedKey | None) -> _Way | None:
        if self._left[lane].kind in _OUT:
            return None
        if self._way is not None and self._way.lane == lane:
            # The probe is this call's own.
            return self._way if self._way.probe else await self._open(lane, key)
        return await self._open(lane, key)

    async def _open(self, lane: Lane, key: EncryptedKey | None) -> _Way | None:
        match self._health.look(lane).state:
            case "ready":
                return _Way(lane, key)
            case "due":
                return await self._probe(lane, key)
            case "resting":
                return None

    async def _probe(self, lane: Lane, key: EncryptedKey | None, *, early: bool = False) -> _Way | None:
        if not await self._health.claim(lane, early=early):
            return None
        way = _Way(lane, key, probe=True)
        self._use(way)
        return way

    async def _last_resort(self) -> Answered | None:
        """With nowhere else to go, one call at a time tries what would return first, be it too early.

        So what healed is found at once, and callers of a lone key see what is the matter with it. A rate limit is
        no matter of trying: the provider said when.
        """
        for _, target, lane, key in sorted(self._resting(), key=lambda each: each[0]):
            if way := await self._probe(lane, key, early=True):
                return await self._at(target, way)
        return None

    def _resting(self) -> Iterator[tuple[float, Target, Lane, EncryptedKey | None]]:
        for target in self._question.targets:
            access = self._question.accesses.get(target.provider)
            for lane, key in self._lanes(target, access) if access else ():
                look = self._health.look(lane)
                if look.state != "ready" and not look.limited:
                    yield look.until, target, lane, key

    def _lanes(self, target: Target, access: ProviderAccess) -> Iterable[tuple[Lane, EncryptedKey | None]]:
        keys = access.encrypted_keys
        if len(keys) > 1:
            if self._affinity is None:
                self._affinity = self._question.affinity()
            keys = tuple(ranked(keys, self._affinity))
        return [(lane_of(target.full_name, key), key) for key in keys or (None,)]

    def _pay(self, lane: Lane) -> bool:
        free, self._free = self._free, False
        paid = free or self._budget.spend(elsewhere=lane not in self._left)
        # A key is taken out by its first refusal: what is under way then can't become a flood, however many it is.
        return paid or self._failure.kind in _OUT

    def _over(self) -> bool:
        return self._failure.kind in _FINAL or self._begun

    @property
    def _begun(self) -> bool:
        """Whether a piece of the answer was passed on."""
        return self._passing is not None and self._passing.begun

    def _failed(self) -> Failed:
        retry_after = None if self._begun else self._failure.retry_after
        if self._failure.kind is FailureKind.RESTING:
            retry_after = self._until_something_returns()
        return Failed(
            kind=self._failure.kind,
            retry_after=retry_after,
            attempts=tuple(self._attempts),
            param=self._failure.param,
        )

    def _until_something_returns(self) -> float:
        now = self._chance.clock()
        returns = [
            self._health.look(lane).until - now
            for target in self._question.targets
            if (access := self._question.accesses.get(target.provider))
            for lane, _ in self._lanes(target, access)
        ]
        return min(max(1.0, min(returns, default=1.0)), _MOST_RETRY_AFTER)

    def _passing_on(self, way: _Way, target: Target, started: float) -> Callable[[Chunk], Awaitable[None]]:
        passing = self._passing
        assert passing is not None

        async def pass_on(chunk: Chunk) -> None:
            attempts: Sequence[Attempt] = ()
            if not passing.begun:
                attempts = [*self._attempts, self._attempt(way, target, "ok", started, 200)]
            await passing.pass_on(target, attempts, chunk)

        return pass_on

    def _attempt(self, way: _Way, target: Target, reason: str, started: float, status: int | None) -> Attempt:
        return Attempt(
            target=target.full_name,
            key=way.lane.key.partition(".")[0][:8],
            reason=reason,
            ms=round((self._chance.clock() - started) * 1000, 3),
            status=status,
        )


_OUTCOMES = {
    FailureKind.CONNECT: Outcome.FAILED,
    FailureKind.OVERLOADED: Outcome.FAILED,
    FailureKind.INVALID_RESPONSE: Outcome.FAILED,
    FailureKind.TRUNCATED: Outcome.FAILED,
    FailureKind.STALLED: Outcome.FAILED,
    FailureKind.REDIRECT: Outcome.FAILED,
    FailureKind.RATE_LIMITED: Outcome.RATE_LIMITED,
    FailureKind.REFUSED_KEY: Outcome.KEY_REFUSED,
    FailureKind.OUT_OF_QUOTA: Outcome.OUT_OF_QUOTA,
}
_AFTER_THE_KEY = frozenset(
    {FailureKind.REFUSED_REQUEST, FailureKind.CONTEXT_LENGTH, FailureKind.UNKNOWN_MODEL}
)


def _outcome_of(failure: UpstreamFailure, fair: bool) -> Outcome:
    """Return what a failure says of its lane. fair: it had at least half of the time that a call has."""
    if failure.kind is FailureKind.TIMEOUT:
        return Outcome.FAILED if fair else Outcome.NOTHING
    if failure.kind in _AFTER_THE_KEY and failure.status is not None:
        return Outcome.KEY_TAKEN
    return _OUTCOMES.get(failure.kind, Outcome.NOTHING)


def _report(attempt: Attempt, failure: UpstreamFailure, number: int) -> None:
    log.warning(
        "upstream attempt failed",
        extra={
            "target": attempt.target,
            "key": attempt.key,
            "reason": attempt.reason,
            "status": attempt.status,
            "detail": failure.detail,
            "attempt": number,
        },
    )
