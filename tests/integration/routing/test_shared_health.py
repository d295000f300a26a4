"""Two processes' worth of health on one state Redis: what one learns, the other keeps to."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from django.conf import LazySettings

from routing.catalog import EncryptedKey
from routing.circuit import Open
from routing.health import KEY_RULES, LANE_RULES, Health, Lane, Outcome, key_name, lane_of
from routing.shared_health import RESTS, SharedHealth
from tests.own_valkey import own_valkey

KEY = EncryptedKey(uid="6f1e34d2-0f0f-4f0e-9d5c-3f7a3a1f9b11", ciphertext="c2VhbGVkLWNhbmFyeQ==")
LANE = lane_of("demo/small-1", KEY)


class Clock:
    """Monotonic and wall clock of one process; both can be moved."""

    def __init__(self, *, ahead: float = 0.0) -> None:
        self.passed = 0.0
        self.ahead = ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.passed

    def wall(self) -> float:
        return time.time() + self.passed + self.ahead


@asynccontextmanager
async def process(clock: Clock | None = None) -> AsyncIterator[SharedHealth]:
    """A process that exchanges only when it is told to."""
    clock = clock or Clock()
    health = SharedHealth(poll_seconds=3600.0, clock=clock.monotonic, wall=clock.wall, dice=lambda: 0.0)
    await health.start()
    yield health
    await health.stop()


@pytest.fixture
async def one(state_redis: "redis.Redis") -> AsyncIterator[SharedHealth]:
    async with process() as health:
        yield health


@pytest.fixture
async def other(state_redis: "redis.Redis") -> AsyncIterator[SharedHealth]:
    async with process() as health:
        yield health


def state(health: Health, lane: Lane = LANE) -> str:
    return health.look(lane).state


def fail(health: Health) -> None:
    for _ in range(LANE_RULES.failures_in_a_row):
        health.note(LANE, Outcome.FAILED)


async def exchange(*healths: SharedHealth) -> None:
    for health in healths:
        await health.exchange()


@pytest.mark.parametrize("outcome", [Outcome.KEY_REFUSED, Outcome.OUT_OF_QUOTA, Outcome.RATE_LIMITED])
async def test_a_key_that_rests_here_rests_there(
    one: SharedHealth, other: SharedHealth, outcome: Outcome
) -> None:
    one.note(LANE, outcome, retry_after=60.0)
    assert (state(one), state(other)) == ("resting", "ready")
    await exchange(one, other)
    assert state(other) == "resting"
    assert abs(other.look(LANE).until - one.look(LANE).until) < 1.0
    assert [rest.reason for rest in other.rests().values()] == [rest.reason for rest in one.rests().values()]


async def test_an_open_circuit_is_known_to_a_process_that_starts_later(one: SharedHealth) -> None:
    fail(one)
    await one.exchange()
    async with process() as late:
        assert state(late) == "resting"


async def test_a_change_is_told_at_once_and_found_within_a_second(
    one: SharedHealth, state_redis: "redis.Redis"
) -> None:
    polling = SharedHealth()
    await polling.start()
    one.note(LANE, Outcome.KEY_REFUSED)
    end = time.monotonic() + 30.0
    while state(polling) == "ready" and time.monotonic() < end:  # noqa: ASYNC110 (a poller tells nobody)
        await asyncio.sleep(0.01)
    assert state(polling) == "resting"
    await polling.stop()


async def test_what_healed_here_is_used_there(one: SharedHealth, other: SharedHealth) -> None:
    one.note(LANE, Outcome.KEY_REFUSED)
    await exchange(one, other)
    assert await one.claim(LANE, early=True)
    one.note(LANE, Outcome.ANSWERED, probe=True)
    await exchange(one, other)
    assert (state(one), state(other)) == ("ready", "ready")


async def test_one_probe_is_enough_for_all_processes(state_redis: "redis.Redis") -> None:
    here, there = Clock(), Clock()
    async with process(here) as one, process(there) as other:
        fail(one)
        await exchange(one, other)
        here.passed = there.passed = LANE_RULES.first_rest_s + 0.1
        assert (state(one), state(other)) == ("due", "due")
        claims = await asyncio.gather(*(health.claim(LANE) for health in (one, other, one, other)))
        assert sorted(claims) == [False, False, False, True]
        prober, waiting = (one, other) if claims[0] or claims[2] else (other, one)
        assert state(waiting) == "resting"
        prober.note(LANE, Outcome.FAILED, probe=True)
        await exchange(prober, waiting)
        assert (state(one), state(other)) == ("resting", "resting")
        # The lease is given back with the verdict: when the longer rest ends the next probe is free.
        here.passed = there.passed = 4 * LANE_RULES.first_rest_s
        assert await waiting.claim(LANE)


async def test_staff_put_a_key_back_by_taking_its_entry_away(
    one: SharedHealth, other: SharedHealth, state_redis: "redis.Redis"
) -> None:
    one.note(LANE, Outcome.KEY_REFUSED)
    await exchange(one, other)
    state_redis.hdel(RESTS, LANE.of_key)
    await exchange(one, other)
    assert (state(one), state(other)) == ("ready", "ready")


async def test_clocks_of_servers_may_differ(state_redis: "redis.Redis") -> None:
    async with process(Clock(ahead=-90.0)) as slow, process(Clock(ahead=+90.0)) as fast:
        fast.note(LANE, Outcome.KEY_REFUSED)
        await exchange(fast, slow)
        rest_s = slow.look(LANE).until - time.monotonic()
        assert 0 < rest_s <= KEY_RULES.longest_rest_s


async def test_limits_that_are_over_are_cleared_away(state_redis: "redis.Redis") -> None:
    clock = Clock()
    async with process() as one, process(clock) as other:
        one.note(LANE, Outcome.RATE_LIMITED, retry_after=5.0)
        await exchange(one, other)
        assert state_redis.hlen(RESTS) == 1
        clock.passed = 100.0
        await exchange(other)
        assert state_redis.hlen(RESTS) == 0
        assert state(other) == "ready"


async def test_what_nobody_can_read_is_thrown_away(one: SharedHealth, state_redis: "redis.Redis") -> None:
    state_redis.hset(RESTS, mapping={LANE.of_key: b"\xff", LANE.circuit: b'{"reason": "x"}', b"\xfe": b"1"})
    await exchange(one)
    assert state(one) == "ready"
    assert LANE.of_key.encode() not in state_redis.hgetall(RESTS)


async def test_nothing_of_a_key_but_its_name_is_written(
    one: SharedHealth, state_redis: "redis.Redis"
) -> None:
    one.note(LANE, Outcome.KEY_REFUSED)
    one.note(LANE, Outcome.RATE_LIMITED)
    fail(one)
    await exchange(one)
    names = {str(name, "ascii") for name in cast(dict[bytes, bytes], state_redis.hgetall(RESTS))}
    assert names == {LANE.of_key, LANE.limit, LANE.circuit}
    written = str(state_redis.hgetall(RESTS))
    assert KEY.ciphertext not in written
    assert all(key_name(KEY) in name for name in names)


async def test_a_server_that_lost_its_data_is_told_again(
    one: SharedHealth, state_redis: "redis.Redis"
) -> None:
    one.note(LANE, Outcome.KEY_REFUSED)
    await exchange(one)
    state_redis.flushdb()
    await one._line.close()  # a restarted server is met over another connection
    await exchange(one)
    assert state(one) == "resting"
    assert state_redis.hexists(RESTS, LANE.of_key)


def at_once(waiting: Coroutine[Any, Any, bool]) -> bool:
    """Return what the coroutine returns without having waited for anything."""
    with pytest.raises(StopIteration) as done:
        waiting.send(None)
    return bool(done.value.value)


async def test_a_frozen_server_fails_no_call_and_is_told_when_it_is_back(
    settings: LazySettings, tmp_path: Path
) -> None:
    with own_valkey(tmp_path) as own:
        settings.REDIS_STATE_URL, settings.REDIS_TIMEOUT_SECONDS = own.url, 0.3
        async with process() as one, process() as other:
            own.freeze()
            await exchange(one)
            one.note(LANE, Outcome.KEY_REFUSED)
            fail(one)
            assert state(one) == "resting"
            # Redis was found dead just now: nothing waits for it.
            assert at_once(one.claim(LANE, early=True))
            assert not at_once(one.claim(LANE, early=True))
            one.note(LANE, Outcome.KEY_REFUSED, probe=True)
            own.thaw()
            await _until_told(one)
            await exchange(other)
            assert state(other) == "resting"


async def test_the_first_who_finds_the_server_dead_probes_all_the_same(
    settings: LazySettings, tmp_path: Path
) -> None:
    with own_valkey(tmp_path) as own:
        settings.REDIS_STATE_URL, settings.REDIS_TIMEOUT_SECONDS = own.url, 0.3
        async with process() as one:
            fail(one)
            await exchange(one)
            own.freeze()
            assert await one.claim(LANE, early=True)


async def test_a_call_that_goes_away_while_it_claims_leaves_the_probe_to_others(one: SharedHealth) -> None:
    fail(one)
    claiming = asyncio.create_task(one.claim(LANE, early=True))
    await asyncio.sleep(0)
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    assert isinstance(one._circuits[LANE.circuit], Open)


async def _until_told(health: SharedHealth) -> None:
    end = time.monotonic() + 30.0
    while health._unsaid and time.monotonic() < end:
        await asyncio.sleep(0.05)
        await health.exchange()
    assert not health._unsaid
