"""A call from its admission to its outcome: the stages by name, in order.

    1. plan            pure: target, complexity, cacheability, fingerprint; unknown or forbidden models end here
    2. recall exact    L1 by fingerprint                        unavailable: the call goes on, and says so
    3. recall similar  L2 by meaning, guards, decision          unavailable: the call goes on, and says so
    4. ask upstream    retries, then the next target            failed: a refusal that names no provider
    5. store           complete ordinary answers, not awaited   failed: counted, the caller has its answer

Admission comes before (gateway.admission), the record after (gateway.records), at one place each.
"""

from caching.recall import ExactHit, SimilarHit
from gateway import asking, recalling, storing, tracing
from gateway.call import ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.parts import Parts
from gateway.planning import plan_call


async def answer(call: ChatCall, parts: Parts) -> ChatOutcome:
    """Answer an admitted call; every ending is an outcome."""
    with tracing.stage("plan"):
        plan = plan_call(call)
    if isinstance(plan, Refusal):
        return ChatOutcome(refusal=plan)

    exact = await recalling.exact(plan, parts)
    if isinstance(exact, ExactHit):
        return recalling.served_exact(plan, exact)

    similar = await recalling.similar(plan, parts)
    if similar is not None and isinstance(similar.outcome, SimilarHit):
        storing.keep_copy(plan, similar.outcome.answer, parts)
        return recalling.served_similar(plan, similar, similar.outcome)

    report = recalling.report_of_miss(plan, exact, similar)
    asked = await asking.ask(plan, parts)
    if isinstance(asked, asking.Unanswered):
        return asking.refused(plan, asked, report)

    storing.keep(plan, asked, similar.vector if similar else None, parts)
    return asking.answered(plan, asked, report)
