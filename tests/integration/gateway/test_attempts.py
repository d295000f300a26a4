"""Retries and fallbacks against the real demo upstream; its ledger counts the calls."""

import time

from gateway.attempts import Answered, Failed, ask_with_retries
from gateway.failures import FailureKind
from gateway.retry import RetryBudget
from gateway.upstream import HttpxUpstream
from routing.catalog import ProviderAccess, Target
from tests.demo_upstream import Demo, access, key, target

BODY = {"messages": [{"role": "user", "content": "What is the capital of Spain?"}]}


async def attempt(
    upstream: HttpxUpstream,
    demo: Demo,
    *models: str,
    seconds: float = 20.0,
    max_attempts: int = 3,
    budget: RetryBudget | None = None,
    waits: list[float] | None = None,
    accesses: dict[str, ProviderAccess] | None = None,
) -> Answered | Failed:
    async def sleep(wait: float) -> None:
        if waits is not None:
            waits.append(wait)

    targets: list[Target] = [target(model) for model in models]
    return await ask_with_retries(
        upstream,
        targets,
        {"demo": access(demo.base_url, key())} if accesses is None else accesses,
        BODY,
        deadline=time.monotonic() + seconds,
        max_attempts=max_attempts,
        budget=budget or RetryBudget(),
        dice=lambda: 0.5,
        sleep=sleep,
    )


async def test_an_answer_at_once_is_one_attempt(upstream: HttpxUpstream, demo: Demo) -> None:
    result = await attempt(upstream, demo, "small-1")
    assert isinstance(result, Answered)
    assert result.answer.text == "The capital of Spain is Madrid."
    assert [one.reason for one in result.attempts] == ["ok"]
    assert result.attempts[0].target == "demo/any"
    assert demo.calls() == 1


async def test_a_rate_limit_is_waited_out(upstream: HttpxUpstream, demo: Demo) -> None:
    waits: list[float] = []
    result = await attempt(upstream, demo, "fault:429:2:1", waits=waits)
    assert isinstance(result, Answered)
    assert [one.reason for one in result.attempts] == ["rate_limited", "rate_limited", "ok"]
    assert waits == [1.25, 1.5]  # Retry-After plus half of 0.5 s, then of 1 s
    assert demo.calls() == 3


async def test_server_errors_are_retried_until_the_attempts_are_used_up(
    upstream: HttpxUpstream, demo: Demo
) -> None:
    result = await attempt(upstream, demo, "fault:500")
    assert isinstance(result, Failed)
    assert result.kind is FailureKind.OVERLOADED
    assert [one.reason for one in result.attempts] == ["overloaded"] * 3
    assert demo.calls() == 3


async def test_a_wait_beyond_the_deadline_is_not_begun(upstream: HttpxUpstream, demo: Demo) -> None:
    waits: list[float] = []
    result = await attempt(upstream, demo, "fault:429:9:3600", waits=waits)
    assert isinstance(result, Failed)
    assert (result.kind, result.retry_after) == (FailureKind.RATE_LIMITED, 3600.0)
    assert waits == []
    assert demo.calls() == 1


async def test_the_next_target_is_asked_when_one_fails(upstream: HttpxUpstream, demo: Demo) -> None:
    result = await attempt(upstream, demo, "fault:html", "fault:401", "large-1")
    assert isinstance(result, Answered)
    assert result.target.upstream_name == "large-1"
    assert [one.reason for one in result.attempts] == ["invalid_response", "refused_key", "ok"]
    assert demo.calls() == 3


async def test_a_refused_request_is_not_carried_to_the_next_target(
    upstream: HttpxUpstream, demo: Demo
) -> None:
    result = await attempt(upstream, demo, "fault:400", "small-1")
    assert isinstance(result, Failed)
    assert result.kind is FailureKind.REFUSED_REQUEST
    assert demo.calls() == 1


async def test_a_timeout_at_the_deadline_ends_everything(upstream: HttpxUpstream, demo: Demo) -> None:
    result = await attempt(upstream, demo, "fault:hang", "small-1", seconds=0.3)
    assert isinstance(result, Failed)
    assert result.kind is FailureKind.TIMEOUT
    assert demo.calls() == 1


async def test_an_outage_is_not_answered_by_a_flood_of_retries(upstream: HttpxUpstream, demo: Demo) -> None:
    budget = RetryBudget(ratio=0.25, reserve=2.0)
    for _ in range(40):
        await attempt(upstream, demo, "fault:503:9999:0", budget=budget)
    assert demo.calls() <= 40 * 1.25 + 2


async def test_a_provider_that_is_no_longer_active_is_passed_over(
    upstream: HttpxUpstream, demo: Demo
) -> None:
    result = await attempt(upstream, demo, "small-1", accesses={}, max_attempts=1)
    assert isinstance(result, Failed)
    assert result.kind is FailureKind.CONNECT
    assert demo.calls() == 0
