"""Asking targets until one answers: retries at the same target, then the next target."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from gateway.deadlines import Deadlines
from gateway.failures import FailureKind, UpstreamFailure
from gateway.providers.dialect import Chunk
from gateway.retry import RetryAfter, RetryBudget, plan_retry
from gateway.upstream import Upstream, UpstreamAnswer
from routing.catalog import ProviderAccess, Target

__all__ = ["Answered", "Attempt", "Failed", "RetryBudget", "ask_with_retries"]

log = logging.getLogger(__name__)

#: Another target would be told the same.
_FINAL = frozenset({FailureKind.REFUSED_REQUEST})


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try at one target."""

    target: str
    """Its full name."""
    reason: str
    """`ok`, or the kind of the failure."""
    ms: float

    def as_dict(self) -> dict[str, Any]:
        return {"target": self.target, "reason": self.reason, "ms": self.ms}


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
    """Of the last attempt."""
    retry_after: float | None
    """Seconds that the upstream asked us to wait, if the last attempt was told to."""
    attempts: tuple[Attempt, ...]


class Passing(Protocol):
    """Where the pieces of a streamed answer go."""

    @property
    def begun(self) -> bool:
        """Whether a piece was passed on: from then on no other attempt may be made."""

    async def pass_on(self, target: Target, attempts: Sequence[Attempt], chunk: Chunk) -> None:
        """Pass a piece on, after these attempts failed; may wait."""


async def ask_with_retries(
    upstream: Upstream,
    targets: Sequence[Target],
    accesses: Mapping[str, ProviderAccess],
    body: Mapping[str, Any],
    *,
    deadline: float,
    max_attempts: int,
    budget: RetryBudget,
    passing: Passing | None = None,
    dice: Callable[[], float] = random.random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Answered | Failed:
    """Ask the targets in order until one answers.

    accesses: by provider slug. deadline: on the clock of time.monotonic(); nothing goes on beyond it.
    max_attempts: per target, counting the first. passing: takes a streamed answer as it comes.
    """
    attempts: list[Attempt] = []
    failure = UpstreamFailure(FailureKind.CONNECT, detail="no target")
    budget.earn()
    for target in targets:
        for attempt in range(1, max_attempts + 1):
            started = time.monotonic()
            try:
                answer = await _ask(upstream, target, accesses, body, deadline, passing, attempts)
            except UpstreamFailure as error:
                failure = error
            else:
                attempts.append(_attempt(target, "ok", started))
                return Answered(target=target, answer=answer, attempts=tuple(attempts))
            attempts.append(_attempt(target, failure.kind.value, started))
            _report(target, failure, attempt)
            if passing is not None and passing.begun:
                return Failed(kind=failure.kind, retry_after=None, attempts=tuple(attempts))
            plan = plan_retry(
                failure,
                attempt=attempt,
                max_attempts=max_attempts,
                now=time.monotonic(),
                deadline=deadline,
                random=dice,
            )
            if not isinstance(plan, RetryAfter) or not budget.spend():
                break
            await sleep(plan.seconds)
        if failure.kind in _FINAL or time.monotonic() >= deadline:
            break
    return Failed(kind=failure.kind, retry_after=failure.retry_after, attempts=tuple(attempts))


async def _ask(  # noqa: PLR0917 (until keys are chosen here)
    upstream: Upstream,
    target: Target,
    accesses: Mapping[str, ProviderAccess],
    body: Mapping[str, Any],
    deadline: float,
    passing: Passing | None,
    attempts: Sequence[Attempt],
) -> UpstreamAnswer:
    access = accesses.get(target.provider)
    if access is None:
        raise UpstreamFailure(FailureKind.CONNECT, detail="provider not active")
    key = access.encrypted_keys[0] if access.encrypted_keys else None
    deadlines = Deadlines(
        connect_s=settings.UPSTREAM_CONNECT_SECONDS,
        first_token_s=60.0,
        between_chunks_s=30.0,
        total_at=deadline,
    )

    async def pass_on(chunk: Chunk) -> None:
        assert passing is not None
        await passing.pass_on(target, attempts, chunk)

    on_chunk = pass_on if passing else None
    return await upstream.ask(target, access, key, body, deadlines=deadlines, on_chunk=on_chunk)


def _attempt(target: Target, reason: str, started: float) -> Attempt:
    return Attempt(target=target.full_name, reason=reason, ms=round((time.monotonic() - started) * 1000, 3))


def _report(target: Target, failure: UpstreamFailure, attempt: int) -> None:
    log.warning(
        "upstream attempt failed",
        extra={
            "target": target.full_name,
            "reason": failure.kind.value,
            "status": failure.status,
            "detail": failure.detail,
            "attempt": attempt,
        },
    )
