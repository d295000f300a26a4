"""Asking targets until one answers: retries at the same target, then the next target."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.failures import FailureKind, UpstreamFailure
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


async def ask_with_retries(
    upstream: Upstream,
    targets: Sequence[Target],
    accesses: Mapping[str, ProviderAccess],
    body: Mapping[str, Any],
    *,
    deadline: float,
    max_attempts: int,
    budget: RetryBudget,
    dice: Callable[[], float] = random.random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Answered | Failed:
    """Ask the targets in order until one answers.

    accesses: by provider slug. deadline: on the clock of time.monotonic(); nothing goes on beyond it.
    max_attempts: per target, counting the first.
    """
    attempts: list[Attempt] = []
    failure = UpstreamFailure(FailureKind.CONNECT, detail="no target")
    budget.earn()
    for target in targets:
        for attempt in range(1, max_attempts + 1):
            started = time.monotonic()
            try:
                answer = await _ask(upstream, target, accesses, body, deadline)
            except UpstreamFailure as error:
                failure = error
            else:
                attempts.append(_attempt(target, "ok", started))
                return Answered(target=target, answer=answer, attempts=tuple(attempts))
            attempts.append(_attempt(target, failure.kind.value, started))
            _report(target, failure, attempt)
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


async def _ask(
    upstream: Upstream,
    target: Target,
    accesses: Mapping[str, ProviderAccess],
    body: Mapping[str, Any],
    deadline: float,
) -> UpstreamAnswer:
    access = accesses.get(target.provider)
    if access is None:
        raise UpstreamFailure(FailureKind.CONNECT, detail="provider not active")
    return await upstream.ask(target, access, body, deadline=deadline)


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
