"""The recall stages of a call: which layers are asked, and what the caller is told of them."""

import functools
import math
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypedDict
from uuid import UUID

from caching import recall
from caching.answers import StoredAnswer
from caching.memory import HeldAnswer
from caching.recall import (
    ExactHit,
    ExactMiss,
    ExactRecall,
    SimilarHit,
    SimilarMiss,
    SimilarRecall,
    Unavailable,
)
from caching.vectors import Vector
from gateway import tracing
from gateway.admission import Caller
from gateway.call import CacheReport, ChatOutcome
from gateway.parts import Parts
from gateway.planning import Plan
from routing.catalog import Catalog, Target
from routing.pricing import Usage, cost_nano, next_change, price_at


class _Place(TypedDict):
    """Where a served answer stands in its life."""

    entry: UUID
    age_s: float
    ttl_s: float


def held(plan: Plan, parts: Parts) -> HeldAnswer | None:
    """Look into this process's memory (L0) if the call may read it.

    None too for an answer that is too old for the call or of a model that its key may not use: L1 is asked then.
    """
    if not plan.reads_exact:
        return None
    return held_for(plan.call.admission.caller, plan.prints.exact, plan.call.cache.max_age_s, parts)


def held_for(caller: Caller, fingerprint: bytes, max_age_s: float | None, parts: Parts) -> HeldAnswer | None:
    """The same for a question that is known to be answered from memory if that can be."""
    found = parts.memory.get(caller.tenant.tenant_id, caller.tenant.version, fingerprint)
    if found is None or found.answer.model not in caller.usable_models:
        return None
    return found if recall.is_young(found.answer, max_age_s) else None


def may_serve(plan: Plan, answer: StoredAnswer) -> bool:
    """Whether the call's key may use the answer's model, and the answer is young enough for the call."""
    usable = answer.model in plan.call.admission.caller.usable_models
    return usable and recall.is_young(answer, plan.call.cache.max_age_s)


def hold(plan: Plan, parts: Parts, answer: StoredAnswer) -> HeldAnswer:
    """Keep the answer to the plan's question in memory: this process knows it at once."""
    return parts.memory.put(plan.tenant_id, plan.call.admission.tenant.version, plan.prints.exact, answer)


def ask_exact(plan: Plan, parts: Parts) -> Coroutine[Any, Any, StoredAnswer | None]:
    """Send the question to L1, for `exact` to wait for."""
    return parts.exact.get(plan.tenant_id, plan.prints.exact)


async def exact(
    plan: Plan, parts: Parts, asked: Coroutine[Any, Any, StoredAnswer | None] | None = None
) -> ExactRecall | None:
    """Ask memory, then L1, if the call may read them. An answer of a model that the key may not use is a miss.

    asked: what `ask_exact` sent already; memory was looked into before it.
    """
    if not plan.reads_exact:
        return None
    with tracing.stage("recall_exact"):
        if asked is None and (at_hand := held(plan, parts)):
            return recall.exact_hit(at_hand)
        found = await recall.recall_exact(
            asked or ask_exact(plan, parts),
            functools.partial(hold, plan, parts),
            max_age_s=plan.call.cache.max_age_s,
            windows=plan.stale_windows,
        )
    answer = _answer_of(found)
    if answer and answer.model not in plan.call.admission.caller.usable_models:
        return ExactMiss(reason="model_not_allowed")
    return found


def _answer_of(found: ExactRecall) -> StoredAnswer | None:
    match found:
        case ExactHit(answer=answer) | ExactMiss(fallback=answer):
            return answer
        case _:
            return None


async def similar(plan: Plan, parts: Parts) -> tuple[Plan, SimilarRecall | None]:
    """Ask L2 if the call may read it; return the plan with its freshness judged, and what was found."""
    if not plan.reads_similar:
        return plan.judged(None), None
    judged: list[Plan] = []

    def refuses(vector: Vector) -> str | None:
        judged.append(plan.judged(vector))
        return judged[0].withheld

    with tracing.stage("recall_similar"):
        found = await recall.recall_similar(
            parts.embedder,
            parts.semantic,
            tenant_id=plan.tenant_id,
            prints=plan.prints,
            rules=plan.rules,
            complexity=plan.route.complexity,
            allowed=plan.call.admission.caller.usable_models.__contains__,
            refuses=refuses,
            verifier_of=parts.verifier_of,
            cross_encoder=parts.cross_encoder,
            max_age_s=plan.call.cache.max_age_s,
            windows=plan.stale_windows,
        )
    return judged[0] if judged else plan.judged(None), found


def served_exact(plan: Plan, hit: ExactHit) -> ChatOutcome:
    reason = "stale" if hit.stale else None
    report = CacheReport(status="hit_exact", reason=reason, stale=hit.stale, **_place(hit.answer, hit.age_s))
    return _served(plan, hit.answer, report, hit.text_json)


def served_coalesced(plan: Plan, answer: StoredAnswer, waited_ms: float) -> ChatOutcome:
    """Serve the answer that another call was given; it was upstream's to keep this one waiting, not ours."""
    report = CacheReport(status="hit_exact", reason="coalesced", **_place(answer, recall.age_of(answer)))
    return replace(_served(plan, answer, report), upstream_ms=waited_ms)


def served_stale(plan: Plan, answer: StoredAnswer) -> ChatOutcome:
    """Serve this question's own answer past its time."""
    report = CacheReport(
        status="hit_exact", reason="stale", stale=True, **_place(answer, recall.age_of(answer))
    )
    return _served(plan, answer, report)


def served_similar(plan: Plan, recalled: SimilarRecall, hit: SimilarHit) -> ChatOutcome:
    report = CacheReport(
        status="hit_semantic",
        reason="stale" if hit.stale else None,
        stale=hit.stale,
        similarity=hit.similarity,
        trail=recalled.trail,
        basis=_basis(plan, recalled),
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
    basis = _basis(plan, similar) if similar else {}
    for outcome in (exact, similar.outcome if similar else None):
        if isinstance(outcome, Unavailable):
            return CacheReport(status="error", reason=outcome.reason, trail=trail, basis=basis)
    if similar and isinstance(similar.outcome, SimilarMiss):
        missed = similar.outcome
        return CacheReport(
            status="miss",
            reason=missed.reason,
            similarity=missed.similarity,
            trail=trail,
            basis=basis,
        )
    reason = exact.reason if isinstance(exact, ExactMiss) else None
    return CacheReport(status="miss", reason=reason or plan.withheld or plan.cacheability.reason)


def _basis(plan: Plan, recalled: SimilarRecall) -> dict[str, Any]:
    """Return what the decision rested on, as the record keeps it."""
    rules, found = plan.rules, plan.freshness
    return {
        "mode": rules.semantic_mode,
        "floor": rules.least_similarity,
        "verifier": recalled.verifier,
        "freshness": {"dynamic": round(found.dynamic, 4), "kind": found.kind, "sure": found.sure}
        if found
        else None,
    }


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
    """Return what asking again would have cost: the stored usage at the price of now, else what it had cost.

    What the provider read from its own cache when the answer was made counts at that lower price. Asked again
    soon, it might have read more of a long prompt: for such prompts the (gross) saving is an upper bound. What it
    wrote to its cache counts as plain input.
    """
    target = _target_of(plan, answer)
    price = price_at(target, now) if target else None
    if price is None:
        return answer.cost_nano
    usage = Usage(
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cached_input_tokens=answer.cached_input_tokens,
    )
    return cost_nano(price, usage)


def saving_holds_until(plan: Plan, answer: StoredAnswer, now: float) -> float:
    """Return the Unix time from which the saving may be another."""
    target = _target_of(plan, answer)
    return next_change(target, now) if target else math.inf


def _target_of(plan: Plan, answer: StoredAnswer) -> Target | None:
    """Return the model that gave the answer, if it is still active."""
    targets = plan.call.admission.gateway.part(Catalog).targets
    return next((t for t in targets if (t.provider, t.name) == (answer.provider, answer.model)), None)


def _place(answer: StoredAnswer, age_s: float) -> _Place:
    return {"entry": answer.entry, "age_s": age_s, "ttl_s": answer.stale_at - time.time()}
