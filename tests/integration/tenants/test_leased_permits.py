"""Leased permits: never over the limit, never far below it, over all processes (here: limiters of their own)."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from pytest_django import Settings

from tenants.limits import LimitVerdict, RedisRequestLimiter, Window
from tests.own_valkey import own_valkey

PROCESSES = 4
BLOCK = 10
"""Of a limit of 1,000."""

Make = Callable[[], RedisRequestLimiter]


@pytest.fixture
async def make(state_redis: "redis.Redis", settings: Settings) -> AsyncIterator[Make]:
    """Make limiters as processes have them; they are closed when the test ends."""
    settings.REDIS_TIMEOUT_SECONDS = 10.0
    settings.WEB_PROCESSES = PROCESSES
    made: list[RedisRequestLimiter] = []

    def make() -> RedisRequestLimiter:
        made.append(RedisRequestLimiter())
        return made[-1]

    yield make
    for limiter in made:
        await limiter.close()


@pytest.fixture
def limiter(make: Make) -> RedisRequestLimiter:
    return make()


def day_window(limit: int = 1000, owner: str | None = None) -> Window:
    # A day's window doesn't turn in the middle of a test, but once in a million of them.
    return Window(name="key", owner=owner or str(uuid4()), seconds=86_400, limit=limit)


def counted(state_redis: "redis.Redis", window: Window) -> int:
    """Return what Redis has counted in the present window."""
    counters = state_redis.keys(f"{window.counter}:*")
    return sum(int(state_redis.get(counter) or 0) for counter in counters)


def scripts_run(state_redis: "redis.Redis") -> int:
    stats = state_redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


async def eventually(found: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that takes a while, longer on a busy machine."""
    for _ in range(300):
        if await found():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come about")


async def until_refused(limiter: RedisRequestLimiter, *windows: Window, callers: int = 16) -> int:
    """Let concurrent callers ask until each is refused; return how many requests were admitted."""

    async def caller() -> int:
        admitted = 0
        while (await limiter.admit(windows)).admitted:
            admitted += 1
            if admitted % 7 == 0:
                await asyncio.sleep(0)
        return admitted

    return sum(await asyncio.gather(*(caller() for _ in range(callers))))


async def test_many_callers_of_many_processes_get_the_limit_and_not_one_more(make: Make) -> None:
    window = day_window()
    counts = await asyncio.gather(*(until_refused(make(), window) for _ in range(PROCESSES)))
    assert 1000 - PROCESSES * BLOCK <= sum(counts) <= 1000


async def test_a_crashed_process_costs_its_block_and_no_more(make: Make) -> None:
    window = day_window()
    crashed = make()
    assert (await crashed.admit([window])).admitted
    await crashed._line.close()
    admitted = await until_refused(make(), window)
    assert 1000 - BLOCK <= admitted + 1 <= 1000


async def test_permits_in_hand_need_no_redis(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window = (day_window(),)
    assert limiter.take(window) is None
    assert (await limiter.admit(window)).counted == "shared"
    before = scripts_run(state_redis)
    verdicts = [limiter.take(window) for _ in range(BLOCK)]
    assert [verdict and verdict.counted for verdict in verdicts] == ["leased"] * (BLOCK - 1) + [None]
    assert scripts_run(state_redis) == before


async def test_what_remains_counts_down_by_one(limiter: RedisRequestLimiter) -> None:
    window = day_window()
    remaining = [(await limiter.admit([window])).states[0].remaining for _ in range(35)]
    assert remaining == list(range(999, 999 - 35, -1))


async def test_a_window_below_a_thousand_is_counted_request_by_request(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    exact, large = day_window(999), day_window(5000)
    for number in range(1, 6):
        assert (await limiter.admit([exact, large])).counted == "shared"
        assert counted(state_redis, exact) == number
    assert counted(state_redis, large) == 50


async def test_a_request_that_is_refused_by_an_exact_window_costs_no_permit(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    exact, large = day_window(3), day_window()
    for _ in range(20):
        await limiter.admit([large, exact])
    assert limiter.take([large, exact]) is not None
    await limiter.close()
    assert (counted(state_redis, exact), counted(state_redis, large)) == (3, 3)


async def test_a_request_that_is_refused_by_a_large_window_is_counted_by_no_exact_one(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    exact, large = day_window(500), day_window()
    await until_refused(limiter, large)
    verdict = await limiter.admit([exact, large])
    assert verdict.refused_by is not None
    assert verdict.refused_by.window == large
    assert counted(state_redis, exact) == 0


async def test_a_full_window_refuses_from_memory(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window = day_window(2)
    for _ in range(3):
        await limiter.admit([window])
    before = scripts_run(state_redis)
    verdict = limiter.take((window,))
    assert verdict is not None
    assert not verdict.admitted
    assert scripts_run(state_redis) == before


async def test_concurrent_callers_wait_for_one_request_for_permits(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window = day_window(100_000)
    await limiter.admit([day_window(5)])  # the script is loaded
    before = scripts_run(state_redis)
    verdicts = await asyncio.gather(*(limiter.admit([window]) for _ in range(200)))
    assert all(verdict.admitted for verdict in verdicts)
    assert scripts_run(state_redis) == before + 1


async def test_more_callers_than_permits_are_served_in_few_rounds(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window = day_window(1000)
    before = scripts_run(state_redis)
    verdicts = await asyncio.gather(*(limiter.admit([window]) for _ in range(900)))
    assert all(verdict.admitted for verdict in verdicts)
    assert scripts_run(state_redis) - before < 10
    await limiter.close()
    assert counted(state_redis, window) == 900


async def test_every_window_has_counted_what_was_admitted_when_all_permits_are_returned(
    make: Make, state_redis: "redis.Redis"
) -> None:
    chance = random.Random(7)
    gateway, tenant = day_window(3000), day_window(1500)
    keys = [day_window(150), day_window(1200), day_window(10_000)]
    admitted: Counter[Window] = Counter()

    async def caller(limiter: RedisRequestLimiter) -> None:
        for _ in range(60):
            windows = [chance.choice(keys), *([tenant] if chance.random() < 0.7 else []), gateway]
            if (limiter.take(tuple(windows)) or await limiter.admit(windows)).admitted:
                admitted.update(windows)
            if chance.random() < 0.3:
                await asyncio.sleep(0)

    limiters = [make() for _ in range(PROCESSES)]
    await asyncio.gather(*(caller(limiter) for limiter in limiters for _ in range(16)))
    for limiter in limiters:
        await limiter.close()
    for window in (gateway, tenant, *keys):
        assert counted(state_redis, window) == admitted[window] <= window.limit


async def test_callers_that_go_away_lose_no_permits(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    chance = random.Random(3)
    window, exact = day_window(2000), day_window(900)
    admitted = cancelled = 0
    for _ in range(40):
        calls = [
            asyncio.ensure_future(limiter.admit([window, exact] if chance.random() < 0.2 else [window]))
            for _ in range(12)
        ]
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)
        for call in calls[::3]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        admitted += sum(isinstance(result, LimitVerdict) for result in results)
        cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
    assert cancelled > 0
    await limiter.close()
    assert admitted <= counted(state_redis, window) <= admitted + cancelled


async def test_no_window_is_exceeded_while_windows_turn(make: Make, state_redis: "redis.Redis") -> None:
    window = Window(name="key", owner=str(uuid4()), seconds=1, limit=1000)
    until = time.monotonic() + 3.4
    in_window: Counter[int] = Counter()

    async def caller(limiter: RedisRequestLimiter) -> None:
        while time.monotonic() < until:
            began = int(time.time())
            verdict = limiter.take((window,)) or await limiter.admit([window])
            # The server's clock is this machine's. What began and ended within a window was counted in it.
            if verdict.admitted and int(time.time()) == began:
                in_window[began] += 1
            await asyncio.sleep(0.001 if verdict.admitted else 0.01)

    await asyncio.gather(*(caller(make()) for _ in range(PROCESSES) for _ in range(8)))
    counts = [int(state_redis.get(counter) or 0) for counter in state_redis.keys(f"{window.counter}:*")]
    assert len(in_window) >= 3
    assert max(in_window.values()) <= max(counts) <= 1000


async def test_idle_permits_come_back(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.limits._IDLE_SECONDS", 0.5)
    window = day_window()
    await limiter.admit([window])
    assert counted(state_redis, window) == BLOCK

    async def returned() -> bool:
        return counted(state_redis, window) == 1

    await eventually(returned)
    assert limiter.take((window,)) is None
    assert (await limiter.admit([window])).states[0].remaining == 998


async def test_permits_in_use_are_kept(limiter: RedisRequestLimiter) -> None:
    window = day_window()
    await limiter.admit([window])
    await asyncio.sleep(0.3)
    assert limiter.take((window,)) is not None
    limiter._return_idle(0.3)
    assert in_hand_of(limiter, window) == BLOCK - 2


async def test_permits_are_not_returned_to_a_counter_that_is_gone(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window = day_window()
    await limiter.admit([window])
    state_redis.delete(*state_redis.keys(f"{window.counter}:*"))
    await limiter.close()
    assert state_redis.keys(f"{window.counter}:*") == []


async def test_a_counter_never_falls_below_nothing(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window = day_window()
    await limiter.admit([window])
    (counter,) = state_redis.keys(f"{window.counter}:*")
    state_redis.set(counter, 3)
    await limiter.close()
    assert counted(state_redis, window) == 0


async def test_a_permit_that_may_not_outlast_the_question_is_not_relied_on(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    # The server may take 10 s to answer, and this window ends before.
    short = Window(name="key", owner=str(uuid4()), seconds=9, limit=1000)
    for _ in range(2):
        await limiter.admit([short, day_window(100)])
    assert counted(state_redis, short) == BLOCK + 1


async def test_returned_permits_are_to_be_had_by_another_process(make: Make) -> None:
    window = day_window()
    first, second = make(), make()
    await first.admit([window])
    assert await until_refused(second, window) == 1000 - BLOCK
    await first.close()
    await asyncio.sleep(1.1)  # a full window is remembered for a second
    assert await until_refused(second, window) == BLOCK - 1


async def test_permits_of_a_past_window_are_neither_used_nor_returned(
    make: Make, state_redis: "redis.Redis"
) -> None:
    window = Window(name="key", owner=str(uuid4()), seconds=2, limit=1000)
    limiter = make()
    await limiter.admit([window])
    (past,) = state_redis.keys(f"{window.counter}:*")
    await asyncio.sleep(2 - time.time() % 2)
    assert limiter.take((window,)) is None
    await limiter.close()
    assert state_redis.get(past) == str(BLOCK).encode()
    assert state_redis.keys(f"{window.counter}:*") == [past]


async def test_a_lowered_limit_holds_at_once_and_old_permits_count_against_it(
    make: Make, state_redis: "redis.Redis"
) -> None:
    owner = str(uuid4())
    old, new = day_window(10_000, owner), day_window(2000, owner)
    limiter, other = make(), make()
    assert (await limiter.admit([old])).admitted
    assert limiter.take((new,)) is None
    admitted = await until_refused(limiter, new) + await until_refused(other, new)
    assert admitted + 1 <= 2000
    assert admitted + in_hand_of(limiter, old) == 2000 - 1


async def reached(limiter: RedisRequestLimiter, window: Window) -> bool:
    return (await limiter.admit([window])).counted != "local"


def in_hand_of(limiter: RedisRequestLimiter, window: Window) -> int:
    return limiter._permits[window].unused


async def test_a_limit_lowered_below_a_thousand_is_exact_at_once(make: Make) -> None:
    owner = str(uuid4())
    old, new = day_window(10_000, owner), day_window(500, owner)
    limiter = make()
    await limiter.admit([old])
    assert await until_refused(limiter, new) == 500 - 100


async def test_the_script_is_loaded_anew_when_the_server_has_forgotten_it(
    limiter: RedisRequestLimiter, state_redis: "redis.Redis"
) -> None:
    window, large = day_window(100), day_window()
    await limiter.admit([window])
    for _ in range(3):
        state_redis.script_flush()
        verdicts = await asyncio.gather(*(limiter.admit([window]) for _ in range(5)))
        assert {verdict.counted for verdict in verdicts} == {"shared"}
    assert counted(state_redis, window) == 16
    await limiter.admit([large])
    state_redis.script_flush()
    await limiter.close()
    assert counted(state_redis, large) == 1


async def test_a_frozen_redis_leaves_the_permits_in_hand_and_then_a_local_share(
    settings: Settings, tmp_path: Path
) -> None:
    settings.WEB_PROCESSES = PROCESSES
    settings.REDIS_TIMEOUT_SECONDS = 0.2
    window = day_window()
    with own_valkey(tmp_path) as server:
        settings.REDIS_STATE_URL = server.url
        limiter = RedisRequestLimiter()
        await eventually(partial(reached, limiter, window))
        in_hand = in_hand_of(limiter, window)
        server.freeze()
        verdicts = [await limiter.admit([window]) for _ in range(300)]
        assert [verdict.counted for verdict in verdicts] == ["leased"] * in_hand + ["local"] * (300 - in_hand)
        assert sum(verdict.admitted for verdict in verdicts) == in_hand + 1000 // PROCESSES
        assert limiter.degraded() == {"limits"}
        server.thaw()
        await eventually(partial(reached, limiter, window))
        await limiter.close()


async def test_a_question_that_fails_costs_one_permit_in_hand_and_not_two(
    settings: Settings, tmp_path: Path
) -> None:
    settings.REDIS_TIMEOUT_SECONDS = 0.2
    window = day_window()
    with own_valkey(tmp_path) as server:
        settings.REDIS_STATE_URL = server.url
        limiter = RedisRequestLimiter()
        await eventually(partial(reached, limiter, window))
        in_hand = in_hand_of(limiter, window)
        server.freeze()
        verdict = await limiter.admit([window, day_window(100)])
        assert (verdict.admitted, verdict.counted) == (True, "local")
        assert in_hand_of(limiter, window) == in_hand - 1
        server.thaw()
        await limiter.close()


async def test_a_server_that_lost_its_data_is_not_given_permits_that_it_never_counted(
    settings: Settings, tmp_path: Path
) -> None:
    settings.REDIS_TIMEOUT_SECONDS = 5.0
    window = day_window()
    with own_valkey(tmp_path) as server, redis.Redis.from_url(server.url) as admin:
        settings.REDIS_STATE_URL = server.url
        before, after = RedisRequestLimiter(), RedisRequestLimiter()
        await before.admit([window])
        admin.flushall()
        server.stop()
        server.start()
        await eventually(partial(reached, after, window))
        now = counted(admin, window)
        await before.close()
        assert counted(admin, window) == now
        await after.close()
