"""The recall stages of a call: which layers are asked, and what the caller is told of them."""

import time
from collections.abc import Coroutine
from typing import Any, TypedDict
from uuid import UUID

from caching import recall
from caching.answers import StoredAnswer
from caching.recall import (
    ExactHit,
    ExactMiss,
    ExactQuestion,
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


class _Place(TypedDict):
    """Where a served answer stands in its life."""

    entry: UUID
    age_s: float
    ttl_s: float


def at_hand(plan: Plan, parts: Parts) -> ExactHit | None:
    """Look into this process's memory (L0) if the call may read it."""
    if not plan.reads_exact:
        return None
    found = recall.recall_held(parts.memory, _question(plan))
    return found if found is not None and _is_usable(plan, found) else None


def ask_exact(plan: Plan, parts: Parts) -> Coroutine[Any, Any, StoredAnswer | None] | None:
    """Send the question to L1, if the call may read it, for `exact` to wait for."""
    return parts.exact.get(plan.tenant_id, plan.prints.exact) if plan.reads_exact else None


async def exact(
    plan: Plan, parts: Parts, asked: Coroutine[Any, Any, StoredAnswer | None] | None = None
) -> ExactRecall | None:
    """Ask memory, then L1, if the call may read them. An answer of a model that the key may not use is a miss.

    asked: what `ask_exact` sent already; memory was looked into before it.
    """
    if asked is None:
        if hit := at_hand(plan, parts):
            return hit
        asked = ask_exact(plan, parts)
    if asked is None:
        return None
    with tracing.stage("recall_exact"):
        found = await recall.recall_exact(asked, parts.memory, _question(plan))
    if isinstance(found, ExactHit) and not _is_usable(plan, found):
        return ExactMiss(reason="model_not_allowed")
    return found


async def similar(plan: Plan, parts: Parts) -> SimilarRecall | None:
    """Ask L2 if the call may read it."""
    if not plan.reads_similar:
        return None
    with tracing.stage("recall_similar"):
        return await recall.recall_similar(
            parts.embedder,
            parts.semantic,
            tenant_id=plan.tenant_id,
            prints=plan.prints,
            rules=plan.rules,
            complexity=plan.route.complexity,
            allowed=plan.call.admission.caller.usable_models.__contains__,
            max_age_s=plan.call.cache.max_age_s,
        )


def served_exact(plan: Plan, hit: ExactHit) -> ChatOutcome:
    report = CacheReport(status="hit_exact", **_place(hit.answer, hit.age_s))
    return _served(plan, hit.answer, report, hit.text_json)


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


def _served(
    plan: Plan, answer: StoredAnswer, report: CacheReport, text_json: bytes | None = None
) -> ChatOutcome:
    return ChatOutcome(
        answer=answer,
        text_json=text_json,
        route=plan.route,
        cache=report,
        saved_nano=saving_nano(plan, answer, time.time()),
    )


def saving_nano(plan: Plan, answer: StoredAnswer, now: float) -> int:
    """Return what asking again would have cost: the stored usage at the price of now, else what it had cost."""
    targets = plan.call.admission.gateway.part(Catalog).targets
    target = next((t for t in targets if (t.provider, t.name) == (answer.provider, answer.model)), None)
    price = price_at(target, now) if target else None
    if price is None:
        return answer.cost_nano
    return cost_nano(price, Usage(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens))


def _question(plan: Plan) -> ExactQuestion:
    return ExactQuestion(
        tenant_id=plan.tenant_id,
        version=plan.call.admission.tenant.version,
        fingerprint=plan.prints.exact,
        max_age_s=plan.call.cache.max_age_s,
    )


def _is_usable(plan: Plan, hit: ExactHit) -> bool:
    return hit.answer.model in plan.call.admission.caller.usable_models


def _place(answer: StoredAnswer, age_s: float) -> _Place:
    return {"entry": answer.entry, "age_s": age_s, "ttl_s": max(0.0, answer.expires_at - time.time())}
