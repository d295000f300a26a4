"""The recall stages of a call: which layers are asked, and what the caller is told of them."""

import time
from typing import TypedDict
from uuid import UUID

from caching import recall
from caching.answers import StoredAnswer
from caching.recall import (
    ExactHit,
    ExactMiss,
    ExactRecall,
    SimilarHit,
    SimilarMiss,
    SimilarRecall,
    Unavailable,
)
from gateway import tracing
from gateway.call import CacheReport, ChatOutcome
from gateway.parts import Parts
from gateway.planning import Plan
from routing.catalog import Catalog
from routing.pricing import Usage, cost_nano, price_at
from routing.selection import visible_models


class _Place(TypedDict):
    """Where a served answer stands in its life."""

    entry: UUID
    age_s: float
    ttl_s: float


async def exact(plan: Plan, parts: Parts) -> ExactRecall | None:
    """Ask L1 if the call may read it. An answer of a model that the key may not use is a miss."""
    if not plan.reads_exact:
        return None
    with tracing.stage("recall_exact"):
        found = await recall.recall_exact(
            parts.exact, plan.tenant_id, plan.prints.exact, max_age_s=plan.call.cache.max_age_s
        )
    if isinstance(found, ExactHit) and found.answer.model not in _usable_models(plan):
        return ExactMiss(reason="model_not_allowed")
    return found


async def similar(plan: Plan, parts: Parts) -> SimilarRecall | None:
    """Ask L2 if the call may read it."""
    if not plan.reads_similar:
        return None
    usable = _usable_models(plan)
    with tracing.stage("recall_similar"):
        return await recall.recall_similar(
            parts.embedder,
            parts.semantic,
            tenant_id=plan.tenant_id,
            prints=plan.prints,
            rules=plan.rules,
            complexity=plan.route.complexity,
            allowed=usable.__contains__,
            max_age_s=plan.call.cache.max_age_s,
        )


def served_exact(plan: Plan, hit: ExactHit) -> ChatOutcome:
    return _served(plan, hit.answer, CacheReport(status="hit_exact", **_place(hit.answer, hit.age_s)))


def served_similar(plan: Plan, recalled: SimilarRecall, hit: SimilarHit) -> ChatOutcome:
    report = CacheReport(
        status="hit_semantic",
        similarity=hit.similarity,
        trail=recalled.trail,
        **_place(hit.answer, hit.age_s),
    )
    return _served(plan, hit.answer, report)


def report_of_miss(plan: Plan, exact: ExactRecall | None, similar: SimilarRecall | None) -> CacheReport:
    """Say why the caches didn't answer: the caller's wish, the rules, a layer that was lost, or a plain miss."""
    mode = plan.call.cache.mode
    if mode == "off" or not plan.cacheability.cacheable:
        reason = "caller" if mode == "off" else plan.cacheability.reason
        return CacheReport(status="bypass", reason=reason)
    if mode == "refresh":
        return CacheReport(status="refresh")
    trail = similar.trail if similar else ()
    for outcome in (exact, similar.outcome if similar else None):
        if isinstance(outcome, Unavailable):
            return CacheReport(status="error", reason=outcome.reason, trail=trail)
    if similar and isinstance(similar.outcome, SimilarMiss):
        missed = similar.outcome
        return CacheReport(status="miss", reason=missed.reason, similarity=missed.similarity, trail=trail)
    reason = exact.reason if isinstance(exact, ExactMiss) else None
    return CacheReport(status="miss", reason=reason or plan.cacheability.reason)


def _served(plan: Plan, answer: StoredAnswer, report: CacheReport) -> ChatOutcome:
    return ChatOutcome(
        answer=answer, route=plan.route, cache=report, saved_nano=saving_nano(plan, answer, time.time())
    )


def saving_nano(plan: Plan, answer: StoredAnswer, now: float) -> int:
    """Return what asking again would have cost: the stored usage at the price of now, else what it had cost."""
    targets = plan.call.admission.gateway.part(Catalog).targets
    target = next((t for t in targets if (t.provider, t.name) == (answer.provider, answer.model)), None)
    price = price_at(target, now) if target else None
    if price is None:
        return answer.cost_nano
    return cost_nano(price, Usage(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens))


def _usable_models(plan: Plan) -> frozenset[str]:
    """Return the models whose answers the key may get.

    Entries are compared by bare names, so a name that two providers share counts only if the key may use both.
    """
    admission = plan.call.admission
    catalog = admission.gateway.part(Catalog)
    usable = visible_models(catalog, admission.key.allows_model)
    others = {target.name for target in catalog.targets if target not in usable}
    return frozenset(target.name for target in usable) - others


def _place(answer: StoredAnswer, age_s: float) -> _Place:
    return {"entry": answer.entry, "age_s": age_s, "ttl_s": max(0.0, answer.expires_at - time.time())}
