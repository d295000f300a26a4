"""What the hits on record saved reaches the entries, and so decides which of them are evicted."""

import time
from uuid import UUID, uuid4

import pytest

from caching import eviction
from caching.models import CacheEntry, CachePolicy
from gateway.savings import note_savings
from tenants.models import Tenant
from tests.caching_values import EMBEDDER, direction
from tests.integration.analytics.storing import store
from tests.records import record_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis")]
DAY = 86_400


def keep(tenant: Tenant) -> UUID:
    return CacheEntry.objects.create(
        tenant=tenant,
        fingerprint=uuid4().bytes * 2,
        scope=b"s" * 32,
        embedder_id=EMBEDDER,
        vector=direction(1.0).values,
        question="Why?",
        answer={"cost_nano": 1000},
        request_id=uuid4(),
        expires_at="2100-01-01T00:00Z",
    ).id


def test_the_hits_of_the_last_day_count_and_nothing_else() -> None:
    tenant = Tenant.objects.create(slug="alice")
    often, once, never = keep(tenant), keep(tenant), keep(tenant)
    now = time.time()
    hits = [(often, 700, 60), (often, 800, 3600), (once, 500, 60), (once, 9000, 2 * DAY)]
    store(
        record_of(
            tenant.pk, id=uuid4(), started_at=now - age_s, entry_id=entry, saved_nano=nano,
            cache_status="hit_exact",
        )
        for entry, nano, age_s in hits
    )  # fmt: skip
    store([
        record_of(
            tenant.pk, id=uuid4(), started_at=now, entry_id=never, saved_nano=900, purpose="audit",
        )
    ])  # fmt: skip
    assert note_savings() == 2
    assert dict(CacheEntry.objects.values_list("id", "saved_nano")) == {often: 1500, once: 500, never: 0}
    assert note_savings() == 0
    CachePolicy.objects.filter(tenant=tenant).update(max_entries=1)
    assert eviction.evict() == 2
    assert CacheEntry.objects.get().id == often
