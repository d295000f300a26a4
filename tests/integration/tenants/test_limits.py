import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import redis
from pytest_django import Settings

from tenants.limits import RedisRequestLimiter, Window


@pytest.fixture
async def limiter(state_redis: "redis.Redis", settings: Settings) -> AsyncIterator[RedisRequestLimiter]:
    # A busy machine must not make the limiter fall back to local counting.
    settings.REDIS_TIMEOUT_SECONDS = 10.0
    made = RedisRequestLimiter()
    yield made
    await made.close()


def day_window(limit: int, owner: str | None = None) -> Window:
    # A day's window doesn't turn in the middle of a test, but once in a million of them.
    return Window(name="key", owner=owner or str(uuid4()), seconds=86_400, limit=limit)


async def test_exactly_the_limit_is_admitted_among_many_at_once(limiter: RedisRequestLimiter) -> None:
    window = day_window(37)
    verdicts = await asyncio.gather(*(limiter.admit([window]) for _ in range(100)))
    assert sum(verdict.admitted for verdict in verdicts) == 37
    assert {verdict.counted for verdict in verdicts} == {"shared"}


async def test_the_refusing_window_is_named(limiter: RedisRequestLimiter) -> None:
    narrow, wide = day_window(1), day_window(10)
    await limiter.admit([wide, narrow])
    verdict = await limiter.admit([wide, narrow])
    assert verdict.refused_by is not None
    assert verdict.refused_by.window == narrow


async def test_a_refused_request_is_counted_by_no_window(limiter: RedisRequestLimiter) -> None:
    narrow, wide = day_window(1), day_window(10)
    for _ in range(5):
        await limiter.admit([wide, narrow])
    verdict = await limiter.admit([wide])
    assert verdict.states[0].remaining == 8


async def test_counters_expire(limiter: RedisRequestLimiter, state_redis: "redis.Redis") -> None:
    await limiter.admit([day_window(5)])
    (counter,) = state_redis.keys("hp:limit:*")
    assert 86_400 < state_redis.ttl(counter) <= 86_460


async def test_a_counter_of_the_wrong_type_changes_nothing(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    good, broken = day_window(5), day_window(5)
    await limiter.admit([good, broken])
    (counter,) = state_redis.keys(f"{broken.counter}:*")
    state_redis.delete(counter)
    state_redis.hset(counter, "a", "b")
    assert (await limiter.admit([good, broken])).counted == "local"
    (counted,) = state_redis.keys(f"{good.counter}:*")
    assert state_redis.get(counted) == b"1"


async def test_a_dead_redis_leaves_a_local_share(settings: Settings) -> None:
    settings.REDIS_STATE_URL = "redis://127.0.0.1:1/0"
    settings.WEB_PROCESSES = 2
    limiter = RedisRequestLimiter()
    window = day_window(4)
    verdicts = [await limiter.admit([window]) for _ in range(4)]
    assert [verdict.admitted for verdict in verdicts] == [True, True, False, False]
    assert limiter.degraded() == {"limits"}
    await limiter.close()
