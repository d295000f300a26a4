import time
from collections.abc import AsyncIterator

import pytest
import redis

from caching.exact import ExactStore, RedisExactStore
from caching.testing import MemoryExactStore
from tests.caching_values import answer

ALICE, CHARLIE = 1, 2
PRINT = b"f" * 32


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, cache_redis: "redis.Redis") -> AsyncIterator[ExactStore]:
    if request.param == "memory":
        yield MemoryExactStore()
        return
    real = RedisExactStore()
    yield real
    await real.close()


async def test_an_answer_comes_back_as_it_was_put(store: ExactStore) -> None:
    put = answer(tags=("faq",), text="naïve “quotes” \U0001f600")
    await store.put(ALICE, PRINT, put, ttl_s=60)
    assert await store.get(ALICE, PRINT) == put


async def test_an_unknown_fingerprint_has_no_answer(store: ExactStore) -> None:
    assert await store.get(ALICE, PRINT) is None


async def test_a_tenant_never_sees_anothers_answer(store: ExactStore) -> None:
    await store.put(ALICE, PRINT, answer(), ttl_s=60)
    assert await store.get(CHARLIE, PRINT) is None


async def test_a_tenant_cannot_drop_anothers_answer(store: ExactStore) -> None:
    await store.put(ALICE, PRINT, answer(), ttl_s=60)
    await store.drop(CHARLIE, PRINT)
    assert await store.get(ALICE, PRINT) is not None


async def test_a_dropped_answer_is_gone(store: ExactStore) -> None:
    await store.put(ALICE, PRINT, answer(), ttl_s=60)
    await store.drop(ALICE, PRINT)
    assert await store.get(ALICE, PRINT) is None


async def test_a_later_answer_takes_the_place_of_the_earlier(store: ExactStore) -> None:
    later = answer(text="later")
    await store.put(ALICE, PRINT, answer(), ttl_s=60)
    await store.put(ALICE, PRINT, later, ttl_s=60)
    assert await store.get(ALICE, PRINT) == later


async def test_an_expired_answer_is_not_served(store: ExactStore) -> None:
    await store.put(ALICE, PRINT, answer(expires_at=time.time() - 1), ttl_s=60)
    assert await store.get(ALICE, PRINT) is None


async def test_an_answer_that_is_asked_for_may_be_left_alone(store: ExactStore) -> None:
    await store.put(ALICE, PRINT, answer(), ttl_s=60)
    store.get(ALICE, PRINT).close()
    assert await store.get(ALICE, PRINT) is not None
