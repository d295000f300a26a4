"""Flights over real Redis servers: several processes' worth, and a state Redis that dies or freezes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from caching.coalescing import Flights, Joined, Lead
from caching.exact import RedisExactStore
from caching.leases import RedisLeases
from tests.caching_values import answer
from tests.own_valkey import OwnValkey, own_valkey

TENANT = 1
PRINT = b"f" * 32


@pytest.fixture
def own(tmp_path: Path, settings: Settings) -> Iterator[OwnValkey]:
    """A state Redis of the test's own."""
    with own_valkey(tmp_path) as server:
        settings.REDIS_STATE_URL = server.url
        settings.REDIS_TIMEOUT_SECONDS = 0.1
        yield server


@asynccontextmanager
async def process(*, lease_s: float = 3.0) -> AsyncIterator[Flights]:
    """Flights with connections of their own, as a web process has them."""
    leases, exact = RedisLeases(lease_s=lease_s), RedisExactStore()
    flights = Flights(leases, exact, lease_s=lease_s)
    try:
        yield flights
    finally:
        await flights.close()
        await leases.close()
        await exact.close()


def join(flights: Flights, print_: bytes = PRINT) -> "asyncio.Task[Joined]":
    return asyncio.create_task(flights.join(TENANT, print_, until=time.monotonic() + 60))


async def test_of_three_processes_one_caller_leads(
    cache_redis: "redis.Redis", state_redis: "redis.Redis"
) -> None:
    async with process() as first, process() as second, process() as third:
        calls = [join(flights) for flights in (first, second, third) * 20]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        lead = next(call for call in calls if call.done())
        calls.remove(lead)
        assert isinstance(lead.result(), Lead)
        kept = answer()
        lead.result().finish(kept)  # type: ignore[union-attr]
        store = RedisExactStore()
        await store.put(TENANT, PRINT, kept, ttl_s=60)
        assert await asyncio.gather(*calls) == [kept] * 59
        await store.close()


async def test_a_frozen_state_redis_holds_callers_up_for_one_timeout_then_for_nothing(
    own: OwnValkey, cache_redis: "redis.Redis"
) -> None:
    async with process() as flights:
        warm = await join(flights, b"w" * 32)
        assert isinstance(warm, Lead)
        warm.finish(answer())
        await flights.drain()
        own.freeze()
        # Each question's first caller leads without a lease, the breaker's first three after a timeout.
        for number in range(10):
            lead = await asyncio.wait_for(join(flights, bytes([number]) * 32), 20)
            assert isinstance(lead, Lead)
            assert not lead.leased
            lead.finish(answer())
        assert not flights._leases._breaker.allows()  # type: ignore[attr-defined]
        own.thaw()


async def test_a_state_redis_that_returns_is_asked_again(own: OwnValkey, cache_redis: "redis.Redis") -> None:
    async with process() as flights:
        own.stop()
        lead = await join(flights)
        assert isinstance(lead, Lead)
        assert not lead.leased
        lead.finish(answer())
        await flights.drain()
        own.start()
        leased = False
        async with asyncio.timeout(20):
            while not leased:
                again = await join(flights, b"g" * 32)
                assert isinstance(again, Lead)
                leased = again.leased
                again.finish(answer())
                await flights.drain()
                await asyncio.sleep(0.05)


async def test_a_lease_leaves_nothing_in_redis_for_long(
    state_redis: "redis.Redis", cache_redis: "redis.Redis"
) -> None:
    async with process() as flights:
        lead = await join(flights)
        assert isinstance(lead, Lead)
        (held,) = state_redis.keys("hp:*")
        assert 0 < int(state_redis.pttl(held)) <= 3000
        lead.finish(answer())
        await flights.drain()
        assert 0 < int(state_redis.pttl(held)) <= 5000
