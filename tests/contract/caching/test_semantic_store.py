import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from django.db import connection

from caching.semantic import PostgresSemanticStore, SemanticStore
from caching.testing import MemorySemanticStore
from tenants.database import TenantDatabase
from tests.caching_values import direction, entry

pytestmark = pytest.mark.django_db(transaction=True)

ALICE, CHARLIE = 1, 2
SCOPE = b"s" * 32


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SemanticStore]:
    if request.param == "memory":
        yield MemorySemanticStore()
        return
    database = TenantDatabase()
    await database.open()
    # The first search of a fresh connection loads the vector library; a busy machine takes its time.
    yield PostgresSemanticStore(database, search_seconds=5.0)
    await database.close()


def test_the_tests_run_where_row_security_holds() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relrowsecurity FROM pg_class WHERE relname = 'caching_cacheentry'")
        assert cursor.fetchone() == (True,)


async def test_the_nearest_entries_come_first_and_whole(store: SemanticStore) -> None:
    near, far = entry("near", direction(1.0, 0.1), tags=("faq",)), entry("far", direction(1.0, 0.9))
    for each in (far, near, entry("farther", direction(0.1, 1.0))):
        await store.add(ALICE, each)
    found = await store.nearest(ALICE, SCOPE, direction(1.0), limit=2)
    assert [each.neighbour.question for each in found] == ["near", "far"]
    assert found[0].answer == near.answer
    assert found[0].neighbour.entry == near.answer.entry
    assert found[0].neighbour.similarity == pytest.approx(0.995, abs=0.002)


async def test_the_very_same_question_is_at_similarity_one(store: SemanticStore) -> None:
    await store.add(ALICE, entry(vector=direction(0.3, 0.4, 0.5)))
    found = await store.nearest(ALICE, SCOPE, direction(0.3, 0.4, 0.5))
    assert found[0].neighbour.similarity == pytest.approx(1.0, abs=0.001)


async def test_a_tenant_never_finds_anothers_entries(store: SemanticStore) -> None:
    await store.add(ALICE, entry())
    assert await store.nearest(CHARLIE, SCOPE, direction(1.0)) == []


async def test_another_scope_is_another_cache(store: SemanticStore) -> None:
    await store.add(ALICE, entry())
    assert await store.nearest(ALICE, b"t" * 32, direction(1.0)) == []


async def test_vectors_of_another_embedder_are_never_compared(store: SemanticStore) -> None:
    await store.add(ALICE, entry(vector=direction(1.0, embedder_id="other", dimension=8)))
    assert await store.nearest(ALICE, SCOPE, direction(1.0)) == []
    assert len(await store.nearest(ALICE, SCOPE, direction(1.0, embedder_id="other", dimension=8))) == 1


async def test_an_expired_entry_is_not_found(store: SemanticStore) -> None:
    await store.add(ALICE, entry(expires_at=time.time() - 1))
    assert await store.nearest(ALICE, SCOPE, direction(1.0)) == []


async def test_the_same_fingerprint_is_kept_once_with_the_later_answer(store: SemanticStore) -> None:
    first, second = entry(text="first"), entry(text="second")
    await store.add(ALICE, first)
    await store.add(ALICE, second)
    found = await store.nearest(ALICE, SCOPE, direction(1.0))
    assert [each.answer for each in found] == [second.answer]


async def test_a_dropped_entry_is_gone(store: SemanticStore) -> None:
    kept = entry()
    await store.add(ALICE, kept)
    await store.drop(ALICE, uuid4())
    await store.drop(CHARLIE, kept.answer.entry)
    assert len(await store.nearest(ALICE, SCOPE, direction(1.0))) == 1
    await store.drop(ALICE, kept.answer.entry)
    assert await store.nearest(ALICE, SCOPE, direction(1.0)) == []
