import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
from prometheus_client import REGISTRY
from pytest_django import Settings

from caching.breaker import Breaker
from caching.cache_redis import answer_key
from caching.exact import CacheUnavailable, RedisExactStore
from tests.caching_values import answer
from tests.own_valkey import own_valkey

PRINT = b"f" * 32


@pytest.fixture
async def store(cache_redis: "redis.Redis") -> AsyncIterator[RedisExactStore]:
    made = RedisExactStore()
    yield made
    await made.close()


async def reason_of(store: RedisExactStore) -> str:
    with pytest.raises(CacheUnavailable) as failure:
        await store.get(1, PRINT)
    return failure.value.reason


async def test_the_key_names_the_tenant_and_the_lifetime_is_jittered_below_the_expiry(
    store: RedisExactStore, cache_redis: "redis.Redis"
) -> None:
    for number in range(20):
        await store.put(7, bytes([number]) * 32, answer(expires_at=time.time() + 1000), ttl_s=1000)
    lifetimes = [cache_redis.ttl(f"hp:{{7}}:answer:{bytes([number]).hex() * 32}") for number in range(20)]
    assert all(890 <= int(lifetime) <= 1000 for lifetime in lifetimes)
    assert len(set(map(str, lifetimes))) > 1


@pytest.mark.parametrize("value", [b"", b"\x80\x04pickle", b'{"text": 1}', b"[" * 100_000])
async def test_a_broken_value_is_dropped_and_counted_and_is_a_miss(
    store: RedisExactStore, cache_redis: "redis.Redis", value: bytes
) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("halfpenny_cache_broken_values_total", {"layer": "exact"}) or 0.0

    before = counted()
    cache_redis.set(answer_key(1, PRINT), value)
    assert await store.get(1, PRINT) is None
    assert not cache_redis.exists(answer_key(1, PRINT))
    assert counted() == before + 1


async def test_a_frozen_server_is_left_alone_after_some_failures_and_taken_back(
    settings: Settings, tmp_path: Path
) -> None:
    clock = [0.0]
    with own_valkey(tmp_path, "cache") as server:
        settings.REDIS_CACHE_URL = server.url
        store = RedisExactStore(breaker=Breaker(failures_to_open=2, open_seconds=5.0, clock=lambda: clock[0]))
        await store.put(1, PRINT, answer(), ttl_s=60)
        server.freeze()
        assert [await reason_of(store) for _ in range(4)] == [
            "timeout",
            "timeout",
            "breaker_open",
            "breaker_open",
        ]
        server.thaw()
        clock[0] += 5.0
        assert await store.get(1, PRINT) is not None
        server.stop()
        assert await reason_of(store) == "connection"
        await store.close()
