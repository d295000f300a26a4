import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import redis
from asgiref.sync import sync_to_async
from pytest_django import Settings

from caching.asked import RedisAskedStore, find_asked
from caching.cache_redis import asked_key
from caching.exact import CacheUnavailable
from tests.caching_values import asked_hit

ALICE, CHARLIE = 1, 2
find = sync_to_async(find_asked)


@pytest.fixture
async def store(cache_redis: "redis.Redis") -> AsyncIterator[RedisAskedStore]:
    made = RedisAskedStore()
    yield made
    await made.close()


async def test_what_a_hit_was_asked_is_found_by_its_tenant_alone(store: RedisAskedStore) -> None:
    request_id, hit = uuid4(), asked_hit()
    await store.put(ALICE, request_id, hit, expires_at=time.time() + 60)
    found = await find(ALICE, request_id)
    assert found is not None
    assert (found.question, found.entry, found.fingerprint) == (hit.question, hit.entry, hit.fingerprint)
    assert found.vector.to_bytes() == hit.vector.to_bytes()
    assert await find(CHARLIE, request_id) is None
    assert await find(ALICE, uuid4()) is None


@pytest.mark.parametrize(("entry_lives_s", "at_most_s"), [(60, 60), (10 * 86_400, 86_400)])
async def test_it_is_kept_for_a_day_and_no_longer_than_the_entry(
    store: RedisAskedStore, cache_redis: "redis.Redis", entry_lives_s: float, at_most_s: float
) -> None:
    request_id = uuid4()
    await store.put(ALICE, request_id, asked_hit(), expires_at=time.time() + entry_lives_s)
    left_ms = cache_redis.pttl(asked_key(ALICE, request_id))
    assert 1000 * (at_most_s - 30) < int(left_ms) <= 1000 * at_most_s


async def test_a_question_without_bound_is_not_kept(store: RedisAskedStore) -> None:
    request_id = uuid4()
    await store.put(ALICE, request_id, asked_hit(question="x" * 70_000), expires_at=time.time() + 60)
    assert await find(ALICE, request_id) is None


@pytest.mark.parametrize("value", [b"{}", b"nothing", b'{"vector": 5}'])
async def test_a_broken_note_is_as_good_as_none(cache_redis: "redis.Redis", value: bytes) -> None:
    request_id = uuid4()
    cache_redis.set(asked_key(ALICE, request_id), value)
    assert await find(ALICE, request_id) is None


async def test_a_dead_redis_is_told(settings: Settings) -> None:
    settings.REDIS_CACHE_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CacheUnavailable):
        await find(ALICE, uuid4())
    store = RedisAskedStore()
    with pytest.raises(CacheUnavailable):
        await store.put(ALICE, uuid4(), asked_hit(), expires_at=time.time() + 60)
    await store.close()
