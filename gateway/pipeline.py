"""A call from its admission to its outcome: the stages by name, in order.

    1. plan            pure: target, complexity, cacheability, fingerprint; unknown or forbidden models end here
    2. recall exact    memory, then L1, by fingerprint          unavailable: the call goes on, and says so
    3. recall similar  L2 by meaning, guards, decision          unavailable: the call goes on, and says so
    4. ask upstream    one call for all who ask the same,       nobody answers for this call: it asks by itself
                       retries, then the next target            failed: an answer past its time if the tenant
                                                                allows, else a refusal that names no provider
    5. store           complete ordinary answers, not awaited   failed: counted, the caller has its answer

Stored answers that were served, or might have been, are audited behind it (gateway.auditing).

What 2 or 3 find past its time is served where the tenant allows, and asked anew behind (gateway.refreshing).

A streamed answer goes to the caller through the relay while stage 4 still runs; the outcome comes at its end.

Admission comes before (gateway.admission), the record after (gateway.records), at one place each. The edge
(gateway.edge) runs 1 and 2 with the same functions and hands on what it began.
"""

from dataclasses import dataclass
from functools import partial

from caching.recall import ExactHit, ExactRecall, SimilarHit
from gateway import asking, coalescing, fallback, recalling, storing, tracing
from gateway.call import ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.parts import Parts
from gateway.planning import Plan, plan_call
from gateway.relay import Relay


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """The stages of a call that are done already; an exact hit would have ended it."""

    plan: Plan | Refusal
    exact: ExactRecall | None = None


async def answer(
    call: ChatCall, parts: Parts, begun: Begun | None = None, relay: Relay | None = None
) -> ChatOutcome:
    """Answer an admitted call; every ending is an outcome. relay: where a streamed answer goes as it comes."""
    with tracing.stage("plan"):
        plan = begun.plan if begun else plan_call(call)
    if isinstance(plan, Refusal):
        return ChatOutcome(refusal=plan)

    exact = begun.exact if begun else await recalling.exact(plan, parts)
    if isinstance(exact, ExactHit):
        if exact.stale:
            parts.refresher.begin(plan, parts)
        return recalling.served_exact(plan, exact)

    plan, similar = await recalling.similar(plan, parts)
    if similar is not None and isinstance(similar.outcome, SimilarHit):
        if similar.outcome.stale:
            parts.refresher.begin(plan, parts, similar.vector)
        else:
            storing.keep_copy(plan, similar.outcome.answer, parts)
        storing.remember(plan, similar, similar.outcome, parts)
        parts.auditor.hit_served(plan, similar, similar.outcome, parts)
        return recalling.served_similar(plan, similar, similar.outcome)

    report = recalling.report_of_miss(plan, exact, similar)
    ask = partial(asking.ask, plan, parts, report, relay)
    asked = await coalescing.ask_once(plan, parts, ask)
    if isinstance(asked, coalescing.Followed):
        return recalling.served_coalesced(plan, asked.answer, asked.waited_ms)
    if isinstance(asked, asking.Unanswered):
        failed = asking.refused(plan, asked, report)
        return fallback.served(plan, failed, exact, similar, parts) or failed

    storing.keep(plan, asked, similar.vector if similar else None, parts)
    parts.auditor.answered(plan, similar, asked, parts)
    return asking.answered(plan, asked, report)
