"""The upstream stage for calls that ask the same at the same time: one asks, the others get its answer.

Only calls that may read and write the exact cache coalesce, and what they get is what they would have got from
it a moment later: never an error, a cut answer, one with tool calls or one that repeats somebody's details.

A call that streams coalesces too; if it follows, the whole answer is replayed to it like any hit. It isn't fed
from the leader's stream: that one may belong to another process, and what was passed on of an answer that fails
half-way could not be taken back, so that no other upstream could be asked.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from caching.answers import StoredAnswer
from caching.coalescing import Lead, LeadEnding
from caching.leases import Ending
from caching.metrics import COALESCED
from gateway import recalling, storing, tracing
from gateway.asking import Asked, Unanswered
from gateway.deadlines import deadlines_of
from gateway.parts import Parts
from gateway.planning import Plan

Ask = Callable[[float], Awaitable[Asked | Unanswered]]
"""Asks upstream; takes when the call began to wait for it, on time.monotonic()."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """Another call's answer."""

    answer: StoredAnswer = field(repr=False)
    waited_ms: float


async def ask_once(plan: Plan, parts: Parts, ask: Ask) -> Asked | Unanswered | Followed:
    """Ask upstream by `ask`, or wait for another call that is asking the same.

    A call that waited in vain has as much less time left to ask by itself.
    """
    began = time.monotonic()
    if not _coalesces(plan):
        return await ask(began)
    with tracing.stage("coalesce"):
        joined = await parts.flights.join(plan.tenant_id, plan.prints.exact, until=_deadline(plan, began))
    if isinstance(joined, Lead) and not joined.leased and (kept := recalling.held(plan, parts)):
        # Without leases there is no trace of a leader that ended since this call looked into the caches.
        joined.finish(kept.answer)
        joined = kept.answer
    if isinstance(joined, Lead):
        COALESCED.labels(role="lead" if joined.leased else "lead_unleased").inc()
        return await _lead(plan, joined, ask, began if joined.took_over else time.monotonic())
    if joined is not None and recalling.may_serve(plan, joined):
        COALESCED.labels(role="follow").inc()
        return Followed(answer=joined, waited_ms=(time.monotonic() - began) * 1000)
    COALESCED.labels(role="alone").inc()
    return await ask(began)


async def ask_if_nobody_does(plan: Plan, parts: Parts, ask: Ask) -> Asked | Unanswered | None:
    """Ask upstream by `ask`; None if another call asks the same, in whichever process: its end is waited for."""
    began = time.monotonic()
    joined = await parts.flights.join(plan.tenant_id, plan.prints.exact, until=_deadline(plan, began))
    return await _lead(plan, joined, ask, time.monotonic()) if isinstance(joined, Lead) else None


async def _lead(plan: Plan, lead: Lead, ask: Ask, began: float) -> Asked | Unanswered:
    ending: LeadEnding = Ending.FAILED
    try:
        asked = await ask(began)
        if isinstance(asked, Asked):
            ending = asked.answer if storing.may_keep(plan, asked.answer) else Ending.UNSHARED
    finally:
        # Also when the caller hangs up: another takes over at once.
        lead.finish(ending)
    return asked


def _deadline(plan: Plan, began: float) -> float:
    """Return when the last of the call's targets would have to have answered."""
    return max(deadlines_of(target, began).total_at for target in plan.targets)


def _coalesces(plan: Plan) -> bool:
    # A call that takes no answer of any age would wait for one and go alone then.
    return plan.reads_exact and plan.writes and plan.call.cache.max_age_s != 0
