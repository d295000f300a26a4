"""Staff's verdicts on answers, given at the records of their requests."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from analytics.record import CallRecord
from caching.models import CacheEntry, JudgedPair
from gateway.request_id import new_request_id
from tenants.models import Tenant, User
from tests.caching_values import EMBEDDER, answer, direction
from tests.integration.analytics.storing import store
from tests.records import record_of


@pytest.fixture
def alice(transactional_db: None, state_redis: "redis.Redis", cache_redis: "redis.Redis") -> Iterator[Tenant]:
    yield Tenant.objects.create(slug=f"alice-{uuid.uuid4().hex[:8]}", name="Alice")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE analytics_dirty_hour")


@pytest.fixture
def entry(alice: Tenant) -> CacheEntry:
    stored = answer()
    return CacheEntry.objects.create(
        id=stored.entry,
        tenant=alice,
        fingerprint=b"f" * 32,
        scope=b"s" * 32,
        embedder_id=EMBEDDER,
        vector=direction(1.0).values,
        question="What is the capital of France?",
        answer={},
        model=stored.model,
        provider=stored.provider,
        complexity=stored.complexity,
        key_public_id=stored.key_public_id,
        request_id=stored.request_id,
        expires_at=datetime.fromtimestamp(stored.expires_at, tz=UTC),
    )


def recorded(entry: CacheEntry, *, cache_status: str = "hit_exact") -> CallRecord:
    record = record_of(
        entry.tenant_id,
        id=new_request_id(),
        cache_status=cache_status,
        entry_id=entry.id,
        started_at=time.time(),
    )
    store([record])
    return record


def judged(record: CallRecord, action: str, *permissions: str) -> str:
    user = User.objects.create_user(f"{uuid.uuid4().hex}@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_requestrecord", *permissions)))
    client = Client()
    client.force_login(user)
    form = {"action": action, "_selected_action": [str(record.id)]}
    page = reverse("admin:analytics_requestrecord_changelist")
    return client.post(page, form, follow=True).content.decode()


def test_a_wrong_answer_is_taken_out_at_its_record(entry: CacheEntry) -> None:
    record = recorded(entry)
    assert "Judged good: 1 none" in judged(record, "say_good", "add_tombstone")
    assert "Judged bad: 1 purged" in judged(record, "say_bad", "add_tombstone")
    assert not CacheEntry.objects.exists()


def test_who_may_only_look_at_records_judges_nothing(entry: CacheEntry) -> None:
    judged(recorded(entry), "say_bad")
    assert CacheEntry.objects.exists()
    assert not JudgedPair.objects.exists()
