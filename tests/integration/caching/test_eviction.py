import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from caching import eviction, sweeps
from caching.models import CacheEntry, CachePolicy
from tenants.models import Tenant
from tests.caching_values import EMBEDDER, direction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis")]
HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def alice() -> Tenant:
    return Tenant.objects.create(slug="alice")


def keep(
    tenant: Tenant,
    *,
    age_s: float = HOUR,
    left_s: float = 7 * DAY,
    cost_nano: object = 1000,
    text: str = "Because.",
    **fields: Any,
) -> UUID:
    now = time.time()
    return CacheEntry.objects.create(
        tenant=tenant,
        fingerprint=uuid4().bytes * 2,
        scope=b"s" * 32,
        embedder_id=EMBEDDER,
        vector=direction(1.0).values,
        question="Why?",
        answer={"text": text, "cost_nano": cost_nano},
        model="small-1",
        provider="demo",
        complexity="simple",
        key_public_id="k",
        request_id=uuid4(),
        created_at=moment(now - age_s),
        expires_at=moment(now + left_s),
        **fields,
    ).id


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def cap(tenant: Tenant, **caps: int) -> None:
    CachePolicy.objects.filter(tenant=tenant).update(**caps)


def kept(tenant: Tenant) -> set[UUID]:
    return set(CacheEntry.objects.filter(tenant=tenant).values_list("id", flat=True))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"saved_nano": 500_000}, {}),
        ({"saved_nano": 500_000, "age_s": 5 * DAY}, {"age_s": 0.0}),
        ({"cost_nano": 9000}, {"cost_nano": 1000}),
        ({"age_s": HOUR}, {"age_s": DAY}),
        ({"left_s": DAY}, {"left_s": HOUR}),
        ({"saved_nano": 500_000}, {"saved_nano": 500_000, "text": "".join(map(str, range(2000)))}),
        ({"age_s": HOUR, "cost_nano": 0}, {"age_s": DAY, "cost_nano": 0}),
        ({"cost_nano": 1}, {"cost_nano": "not a number"}),
    ],
    ids=["hits", "hits of an old one", "cost", "age", "time left", "size", "age without price", "broken"],
)
def test_what_is_expected_to_save_least_per_byte_goes_first(
    alice: Tenant, better: dict[str, Any], worse: dict[str, Any]
) -> None:
    cap(alice, max_entries=1)
    keep(alice, **worse)
    best = keep(alice, **better)
    assert eviction.evict() == 1
    assert kept(alice) == {best}


def test_a_cap_of_bytes_is_held_too(alice: Tenant) -> None:
    for _ in range(6):
        keep(alice)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT sum({eviction.BYTES}) FROM caching_cacheentry")
        (held,) = cursor.fetchone()
    cap(alice, max_bytes=held // 2)
    assert eviction.evict() == 3
    assert eviction.evict() == 0


def test_pinned_entries_never_go_and_aliases_go_with_their_entry(alice: Tenant) -> None:
    pinned = keep(alice, pinned=True, cost_nano=0, age_s=9 * DAY)
    going = keep(alice, age_s=5 * DAY)
    keep(alice, alias_of=going, saved_nano=700_000)
    staying = keep(alice, saved_nano=500_000)
    cap(alice, max_entries=3)
    assert eviction.evict() == 2
    assert kept(alice) == {pinned, staying}
    cap(alice, max_entries=0)
    eviction.evict()
    assert kept(alice) == {pinned}


def test_other_tenants_keep_what_they_have(alice: Tenant) -> None:
    charlie = Tenant.objects.create(slug="charlie")
    cap(alice, max_entries=2)
    for tenant in (alice, charlie):
        for _ in range(5):
            keep(tenant)
    assert eviction.evict(batch=2) == 3
    assert (len(kept(alice)), len(kept(charlie))) == (2, 5)


def test_two_sweepers_at_once_take_no_more_than_one(alice: Tenant) -> None:
    cap(alice, max_entries=2)
    for _ in range(5):
        keep(alice)
    assert eviction.evict() == 3
    # The second one had found the tenant beyond its caps before the first one deleted.
    assert eviction._evict_of(alice.pk, eviction.BATCH) == 0


def test_a_pinned_entry_outlives_its_time(alice: Tenant) -> None:
    pinned = keep(alice, left_s=-HOUR, pinned=True)
    keep(alice, left_s=-HOUR)
    assert sweeps.delete_expired() == 1
    assert kept(alice) == {pinned}


def test_savings_are_noted_where_they_have_changed_and_other_rows_are_left_alone(alice: Tenant) -> None:
    same, much, gone = keep(alice, saved_nano=1000), keep(alice, saved_nano=10), keep(alice, saved_nano=500)
    before = _versions()
    assert eviction.note_savings(alice.pk, {same: 1100, much: 5000, uuid4(): 7}) == 2
    after = _versions()
    found = dict(CacheEntry.objects.values_list("id", "saved_nano"))
    assert found == {same: 1000, much: 5000, gone: 0}
    assert {entry for entry in before if before[entry] != after[entry]} == {much, gone}


def test_savings_of_another_tenants_entry_cannot_be_noted(alice: Tenant) -> None:
    charlie = Tenant.objects.create(slug="charlie")
    theirs = keep(charlie, saved_nano=10)
    assert eviction.note_savings(alice.pk, {theirs: 5000}) == 0
    assert CacheEntry.objects.get().saved_nano == 10


def _versions() -> dict[UUID, str]:
    """Return which version of each row is the current one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text || ctid::text FROM caching_cacheentry")
        return dict(cursor.fetchall())


def test_the_table_does_not_grow_under_churn(alice: Tenant) -> None:
    """A vacuum after each round, as autovacuum comes by."""
    cap(alice, max_entries=150)
    pages = []
    for _ in range(6):
        for _ in range(50):
            keep(alice, text="".join(map(str, range(300))))
        eviction.evict()
        eviction.note_savings(alice.pk, {entry: 1 + entry.int % 10_000 for entry in list(kept(alice))[::2]})
        pages.append(_pages_after_vacuum())
    assert len(kept(alice)) == 150
    assert pages[-1] <= pages[-2] * 1.1


def _pages_after_vacuum() -> int:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM caching_cacheentry")
        cursor.execute("SELECT pg_relation_size('caching_cacheentry') / 8192")
        return int(cursor.fetchone()[0])
