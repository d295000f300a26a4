"""The upstream stage: what is sent, what comes back, what it costs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.conf import settings

from caching.answers import StoredAnswer
from caching.exact import lifetime
from gateway import errors, tokens, tracing
from gateway.affinity import affinity_of
from gateway.attempts import Answered, Attempt, Failed, Question, ask_with_retries
from gateway.call import CacheReport, ChatOutcome, PartialAnswer
from gateway.errors import Refusal
from gateway.parts import Parts
from gateway.planning import Plan
from gateway.providers.dialect import Chunk
from gateway.relay import Opening, Relay
from routing.catalog import Catalog, Target
from routing.pricing import Usage, cost_nano, price_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An upstream's complete answer, in the form that the caches keep."""

    answer: StoredAnswer
    choices: tuple[Mapping[str, Any], ...] = field(repr=False)
    """The whole of it, in OpenAI's form."""
    upstream_ms: float
    first_token_ms: float | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unanswered:
    """No target answered in time, or the one that did broke off."""

    failed: Failed
    upstream_ms: float
    partial: PartialAnswer | None = None
    cost_nano: int = 0


@dataclass(frozen=True, kw_only=True)
class _Passing:
    """Passes the pieces of a streamed answer on, and says first what they belong to."""

    relay: Relay
    plan: Plan
    report: CacheReport
    body: Mapping[str, Any]
    began: float

    @property
    def begun(self) -> bool:
        return self.relay.begun

    async def pass_on(self, target: Target, attempts: Sequence[Attempt], chunk: Chunk) -> None:
        if not self.relay.begun:
            opening = Opening(
                target=target,
                route=self.plan.route,
                cache=self.report,
                attempts=_shown(attempts),
                created=int(time.time()),
                began=self.began,
                first_token_ms=(time.monotonic() - self.began) * 1000,
                body=self.body,
            )
            self.relay.open(opening)
        await self.relay.send(chunk)


async def ask(
    plan: Plan, parts: Parts, report: CacheReport, relay: Relay | None, began: float
) -> Asked | Unanswered:
    """Ask the plan's targets, in order, until the deadline of the call.

    report: what the caches did, for the head of a streamed answer, which goes through the relay as it comes.
    began: when the call began to wait for upstream, on time.monotonic(); another call may have asked first.
    """
    catalog = plan.call.admission.gateway.part(Catalog)
    body = {"messages": list(plan.call.messages), **plan.call.params, **plan.call.passed}
    with tracing.stage("ask_upstream"):
        result = await ask_with_retries(
            parts.upstream,
            Question(
                targets=plan.targets,
                accesses={access.slug: access for access in catalog.providers},
                body=body,
                started=began,
                max_attempts=settings.UPSTREAM_MAX_ATTEMPTS,
                affinity=lambda: affinity_of(plan.tenant_id, body),
            ),
            health=parts.upstream_health,
            budget=parts.retry_budget,
            passing=_Passing(relay=relay, plan=plan, report=report, body=body, began=began)
            if relay
            else None,
        )
    upstream_ms = (time.monotonic() - began) * 1000
    if isinstance(result, Answered):
        return Asked(
            answer=answer_of(plan, result),
            choices=result.answer.choices,
            upstream_ms=upstream_ms,
            first_token_ms=result.answer.first_token_ms,
            attempts=result.attempts,
        )
    partial, cost = await partial_of(relay) if relay else (None, 0)
    return Unanswered(failed=result, upstream_ms=upstream_ms, partial=partial, cost_nano=cost)


def answered(plan: Plan, asked: Asked, report: CacheReport) -> ChatOutcome:
    return ChatOutcome(
        answer=asked.answer,
        choices=asked.choices,
        route=plan.route,
        cache=report,
        cost_nano=asked.answer.cost_nano,
        upstream_ms=asked.upstream_ms,
        first_token_ms=asked.first_token_ms,
        attempts=_shown(asked.attempts),
    )


def refused(plan: Plan, unanswered: Unanswered, report: CacheReport) -> ChatOutcome:
    failed = unanswered.failed
    wait = None if failed.retry_after is None else max(1, round(failed.retry_after))
    return ChatOutcome(
        refusal=errors.upstream_failed(failed.kind.value, wait, failed.param),
        partial=unanswered.partial,
        route=plan.route,
        cache=report,
        cost_nano=unanswered.cost_nano,
        upstream_ms=unanswered.upstream_ms,
        attempts=_shown(failed.attempts),
    )


async def broken_off(relay: Relay, refusal: Refusal | None = None) -> ChatOutcome:
    """Return how a stream ends in its midst: we end it with a refusal, or its caller went away.

    What was sent of it has its cost.
    """
    opening = relay.opening
    assert opening is not None
    upstream_ms = (time.monotonic() - opening.began) * 1000
    partial, cost = await partial_of(relay)
    return ChatOutcome(
        refusal=refusal,
        hung_up=refusal is None,
        partial=partial,
        route=opening.route,
        cache=opening.cache,
        cost_nano=cost,
        upstream_ms=upstream_ms,
        first_token_ms=opening.first_token_ms,
        attempts=opening.attempts,
    )


async def partial_of(relay: Relay) -> tuple[PartialAnswer | None, int]:
    """Return what was sent of an answer, and its cost in nano-USD: the provider charges for it too."""
    opening = relay.opening
    if opening is None:
        return None, 0
    usage = await tokens.in_background(
        tokens.partial_usage, opening.body, relay.said, opening.target.upstream_name, relay.reported
    )
    partial = PartialAnswer(
        model=opening.target.name,
        provider=opening.target.provider,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
    return partial, cost_of(opening.target, usage)


def answer_of(plan: Plan, result: Answered) -> StoredAnswer:
    """Return an answer that was given now, in the form that the caches keep."""
    given = result.answer
    now = time.time()
    times = lifetime(now, plan.ttl_s, window_s=plan.rules.stale_window_s)
    return StoredAnswer(
        entry=uuid4(),
        complexity=plan.route.complexity,
        key_public_id=plan.call.admission.key.public_id,
        request_id=plan.call.admission.arrival.request_id,
        created_at=now,
        fresh_until=times.fresh_until,
        expires_at=times.expires_at,
        tags=plan.call.cache.tags,
        text=given.text,
        # Signed thoughts belong to the conversation that they were made in.
        message={name: value for name, value in given.message.items() if name != "thinking_blocks"},
        model=result.target.name,
        provider=result.target.provider,
        finish_reason=given.finish_reason,
        input_tokens=given.usage.input_tokens,
        output_tokens=given.usage.output_tokens,
        cached_input_tokens=given.usage.cached_input_tokens,
        reasoning_tokens=given.usage.reasoning_tokens,
        estimated=given.estimated,
        cost_nano=cost_of(result.target, given.usage),
    )


def cost_of(target: Target, usage: Usage) -> int:
    """Return nano-USD at the price of now; a target without a price costs nothing that we know of."""
    price = price_at(target, time.time())
    return cost_nano(price, usage) if price else 0


def _shown(attempts: Sequence[Attempt]) -> tuple[Mapping[str, Any], ...]:
    return tuple(attempt.as_dict() for attempt in attempts)
