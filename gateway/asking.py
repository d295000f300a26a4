"""The upstream stage: what is sent, what comes back, what it costs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.conf import settings

from caching.answers import StoredAnswer
from gateway import errors, tracing
from gateway.attempts import Answered, Attempt, Failed, ask_with_retries
from gateway.call import CacheReport, ChatOutcome
from gateway.parts import Parts
from gateway.planning import Plan
from routing.catalog import Catalog, Target
from routing.pricing import Usage, cost_nano, price_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An upstream's complete answer, in the form that the caches keep."""

    answer: StoredAnswer
    upstream_ms: float
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unanswered:
    """No target answered in time."""

    failed: Failed
    upstream_ms: float


async def ask(plan: Plan, parts: Parts) -> Asked | Unanswered:
    """Ask the plan's targets, in order, until the deadline of the call."""
    started = time.monotonic()
    catalog = plan.call.admission.gateway.part(Catalog)
    with tracing.stage("ask_upstream"):
        result = await ask_with_retries(
            parts.upstream,
            plan.targets,
            {access.slug: access for access in catalog.providers},
            {"messages": list(plan.call.messages), **plan.call.params},
            deadline=started + settings.UPSTREAM_TOTAL_SECONDS,
            max_attempts=settings.UPSTREAM_MAX_ATTEMPTS,
            budget=parts.retry_budget,
        )
    upstream_ms = (time.monotonic() - started) * 1000
    if isinstance(result, Failed):
        return Unanswered(failed=result, upstream_ms=upstream_ms)
    return Asked(answer=_answer(plan, result), upstream_ms=upstream_ms, attempts=result.attempts)


def answered(plan: Plan, asked: Asked, report: CacheReport) -> ChatOutcome:
    return ChatOutcome(
        answer=asked.answer,
        route=plan.route,
        cache=report,
        cost_nano=asked.answer.cost_nano,
        upstream_ms=asked.upstream_ms,
        attempts=_shown(asked.attempts),
    )


def refused(plan: Plan, unanswered: Unanswered, report: CacheReport) -> ChatOutcome:
    failed = unanswered.failed
    wait = None if failed.retry_after is None else max(1, round(failed.retry_after))
    return ChatOutcome(
        refusal=errors.upstream_failed(failed.kind.value, wait),
        route=plan.route,
        cache=report,
        upstream_ms=unanswered.upstream_ms,
        attempts=_shown(failed.attempts),
    )


def _answer(plan: Plan, result: Answered) -> StoredAnswer:
    given = result.answer
    now = time.time()
    return StoredAnswer(
        entry=uuid4(),
        complexity=plan.route.complexity,
        key_public_id=plan.call.admission.key.public_id,
        request_id=plan.call.admission.arrival.request_id,
        created_at=now,
        expires_at=now + plan.ttl_s,
        tags=plan.call.cache.tags,
        text=given.text,
        message=given.message,
        model=result.target.name,
        provider=result.target.provider,
        finish_reason=given.finish_reason,
        input_tokens=given.usage.input_tokens,
        output_tokens=given.usage.output_tokens,
        cost_nano=cost_of(result.target, given.usage),
    )


def cost_of(target: Target, usage: Usage) -> int:
    """Return nano-USD at the price of now; a target without a price costs nothing that we know of."""
    price = price_at(target, time.time())
    return cost_nano(price, usage) if price else 0


def _shown(attempts: tuple[Attempt, ...]) -> tuple[Mapping[str, Any], ...]:
    return tuple(attempt.as_dict() for attempt in attempts)
