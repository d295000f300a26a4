import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from caching.models import CacheEntry, Tombstone
from caching.semantic import NewEntry, PostgresSemanticStore, SemanticStore
from caching.testing import MemorySemanticStore
from caching.vectors import Vector
from tenants.database import TenantDatabase
from tenants.models import Tenant
from tests.caching_values import direction, entry

pytestmark = pytest.mark.django_db(transaction=True)

ALICE, CHARLIE = 1, 2
SCOPE = b"s" * 32


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SemanticStore]:
    if request.param == "memory":
        yield MemorySemanticStore()
        return
    database = TenantDatabase(wait_seconds=30)
    await database.open()
    # The first search of a fresh connection loads the vector library; a busy machine takes its time.
    yield PostgresSemanticStore(database, search_seconds=5.0)
    await database.close()


@sync_to_async
def _bury(tenant_id: int, entry: NewEntry, vector: Vector, least_similarity: float) -> None:
    Tenant.objects.get_or_create(pk=tenant_id, defaults={"slug": f"t{tenant_id}", "name": "T"})
    Tombstone.objects.create(
        tenant_id=tenant_id,
        entry=entry.answer.entry,
        fingerprint=entry.fingerprint,
        scope=entry.scope,
        embedder_id=vector.embedder_id,
        vector=vector.values,
        least_similarity=least_similarity,
        created_by="test",
    )


async def bury(
    store: SemanticStore, tenant_id: int, entry: NewEntry, vector: Vector, *, least_similarity: float
) -> None:
    if isinstance(store, MemorySemanticStore):
        store.bury(tenant_id, entry.fingerprint, vector, least_similarity=least_similarity)
    else:
        await _bury(tenant_id, entry, vector, least_similarity)


async def pin(store: SemanticStore, tenant_id: int, entry_id: UUID) -> None:
    if isinstance(store, MemorySemanticStore):
        store.pin(tenant_id, entry_id)
    else:
        rows = CacheEntry.objects.filter(tenant_id=tenant_id, id=entry_id)
        await rows.aupdate(pinned=True, expires_at=timezone.now() + timedelta(days=9))


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


async def test_a_tombstone_hides_an_entry_from_questions_near_it(store: SemanticStore) -> None:
    bad, other = entry("bad", direction(1.0)), entry("other", direction(1.0, 1.0))
    for each in (bad, other):
        await store.add(ALICE, each)
    await bury(store, ALICE, bad, direction(1.0, 0.3), least_similarity=0.98)
    assert await questions(store, direction(1.0, 0.3)) == ["other"]
    assert await questions(store, direction(1.0, 0.4)) == ["other"]
    assert await questions(store, direction(1.0)) == ["bad", "other"]


async def test_a_tombstone_outlives_the_answer_to_the_same_stored_question(store: SemanticStore) -> None:
    bad = entry("bad", text="first")
    await store.add(ALICE, bad)
    await bury(store, ALICE, bad, direction(1.0), least_similarity=0.98)
    await store.add(ALICE, entry("bad", text="second"))
    assert await questions(store, direction(1.0)) == []


async def test_a_tombstone_of_one_tenant_hides_nothing_from_another(store: SemanticStore) -> None:
    both = entry()
    for tenant in (ALICE, CHARLIE):
        await store.add(tenant, both)
    await bury(store, CHARLIE, both, direction(1.0), least_similarity=0.9)
    assert len(await store.nearest(ALICE, SCOPE, direction(1.0))) == 1
    assert await store.nearest(CHARLIE, SCOPE, direction(1.0)) == []


async def test_an_alias_answers_as_its_entry(store: SemanticStore) -> None:
    kept, asked = entry("kept", text="theirs"), entry("asked", direction(0.0, 1.0), text="not this")
    await store.add(ALICE, kept)
    assert await store.attach(ALICE, asked, to=kept.answer.entry)
    found = await store.nearest(ALICE, SCOPE, direction(0.0, 1.0), limit=1)
    assert found[0].neighbour.question == "asked"
    assert found[0].neighbour.entry == kept.answer.entry
    assert found[0].answer == kept.answer


async def test_nothing_is_attached_to_what_is_gone_or_elsewhere_or_the_question_itself(
    store: SemanticStore,
) -> None:
    kept = entry("kept")
    await store.add(ALICE, kept)
    asked = entry("asked", direction(0.0, 1.0))
    assert not await store.attach(ALICE, asked, to=uuid4())
    assert not await store.attach(CHARLIE, asked, to=kept.answer.entry)
    other_scope = entry("asked", direction(0.0, 1.0), scope=b"t" * 32)
    assert not await store.attach(ALICE, other_scope, to=kept.answer.entry)
    assert not await store.attach(ALICE, entry("kept"), to=kept.answer.entry)
    assert await questions(store, direction(0.0, 1.0)) == ["kept"]


async def test_an_entry_that_becomes_an_alias_is_no_entry_any_more(store: SemanticStore) -> None:
    kept, earlier = entry("kept"), entry("asked", direction(0.0, 1.0))
    for each in (kept, earlier):
        await store.add(ALICE, each)
    await store.attach(ALICE, entry("follower", direction(0.0, 0.0, 1.0)), to=earlier.answer.entry)
    assert await store.attach(ALICE, entry("asked", direction(0.0, 1.0)), to=kept.answer.entry)
    found = await store.nearest(ALICE, SCOPE, direction(0.0, 1.0), limit=5)
    assert {each.neighbour.question for each in found} == {"kept", "asked"}
    assert {each.answer.entry for each in found} == {kept.answer.entry}


async def test_a_dropped_entry_takes_its_aliases(store: SemanticStore) -> None:
    kept = entry("kept")
    await store.add(ALICE, kept)
    await store.attach(ALICE, entry("asked", direction(0.0, 1.0)), to=kept.answer.entry)
    await store.drop(ALICE, kept.answer.entry)
    assert await questions(store, direction(1.0)) == []


async def test_aliases_follow_their_entry_to_its_new_answer(store: SemanticStore) -> None:
    first, second = entry("kept", text="first"), entry("kept", text="second")
    await store.add(ALICE, first)
    await store.attach(ALICE, entry("asked", direction(0.0, 1.0)), to=first.answer.entry)
    await store.add(ALICE, second)
    found = await store.nearest(ALICE, SCOPE, direction(0.0, 1.0), limit=1)
    assert (found[0].neighbour.question, found[0].answer) == ("asked", second.answer)


async def test_an_alias_that_gets_an_answer_of_its_own_is_an_entry(store: SemanticStore) -> None:
    kept, own = entry("kept"), entry("asked", direction(0.0, 1.0), text="own")
    await store.add(ALICE, kept)
    await store.attach(ALICE, entry("asked", direction(0.0, 1.0)), to=kept.answer.entry)
    await store.add(ALICE, own)
    await store.drop(ALICE, kept.answer.entry)
    found = await store.nearest(ALICE, SCOPE, direction(0.0, 1.0))
    assert [each.answer for each in found] == [own.answer]


async def test_a_tombstone_hides_the_entrys_aliases_too(store: SemanticStore) -> None:
    bad = entry("bad")
    await store.add(ALICE, bad)
    await store.attach(ALICE, entry("asked", direction(0.0, 1.0)), to=bad.answer.entry)
    await bury(store, ALICE, bad, direction(0.1, 1.0), least_similarity=0.98)
    assert await questions(store, direction(0.1, 1.0)) == []
    assert await questions(store, direction(1.0, 0.1)) == ["bad", "asked"]


async def test_a_pinned_entry_gives_way_to_no_answer_and_no_alias(store: SemanticStore) -> None:
    pinned, other = entry("pinned", text="by hand"), entry("other", direction(0.0, 1.0))
    for each in (pinned, other):
        await store.add(ALICE, each)
    await pin(store, ALICE, pinned.answer.entry)
    assert not await store.add(ALICE, entry("pinned", text="anew"))
    assert not await store.attach(ALICE, entry("pinned"), to=other.answer.entry)
    found = await store.nearest(ALICE, SCOPE, direction(1.0), limit=1)
    assert found[0].answer.text == "by hand"


async def questions(store: SemanticStore, vector: Vector) -> list[str]:
    found = await store.nearest(ALICE, SCOPE, vector)
    return [each.neighbour.question for each in found]
