import orjson
import pytest
import redis
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path, reverse

from caching import answers
from caching.cache_redis import answer_key
from caching.models import CacheEntry, CachePolicy, CacheSwitch
from tenants.models import Tenant, User
from tests.caching_values import EMBEDDER, answer, direction

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("state_redis", "cache_redis"),
]

urlpatterns = [path("admin/", admin.site.urls)]


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ops@example.com"))
    return client


@pytest.fixture
def alice() -> Tenant:
    return Tenant.objects.create(slug="alice", name="Alice")


@pytest.fixture
def entry(alice: Tenant, cache_redis: "redis.Redis") -> CacheEntry:
    stored = answer()
    cache_redis.set(answer_key(alice.pk, b"f" * 32), answers.dump(stored))
    return CacheEntry.objects.create(
        id=stored.entry,
        tenant=alice,
        fingerprint=b"f" * 32,
        scope=b"s" * 32,
        embedder_id=EMBEDDER,
        vector=direction(1.0).values,
        question="What is the capital of France?",
        answer=orjson.loads(answers.dump(stored)),
        model="small-1",
        provider="demo",
        complexity="simple",
        key_public_id="k1",
        request_id=stored.request_id,
        expires_at="2100-01-01T00:00:00Z",
    )


def page(client: Client, name: str, *arguments: object, query: str = "") -> str:
    response = client.get(reverse(f"admin:{name}", args=arguments) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_policies_are_found_by_tenant_and_changed(ops: Client, alice: Tenant) -> None:
    assert "Alice" in page(ops, "caching_cachepolicy_changelist", query="?q=alice")
    policy = CachePolicy.objects.get(tenant=alice)
    form = {
        "semantic_mode": "balanced",
        "floor": "0.9",
        "balanced_floor": "0.8",
        "ttl_seconds": "60",
        "static_ttl_seconds": "60",
        "live_ttl_seconds": "0",
        "max_ttl_seconds": "600",
        "stale_while_revalidate_seconds": "0",
        "stale_on_error_seconds": "0",
        "audit_budget_usd": "5",
        "target_wrong_share": "0.02",
        "max_bytes": "1000000",
        "sharing": "tenant",
        "personal": "details",
        "max_turns": "4",
        "max_entries": "10",
    }
    assert ops.post(reverse("admin:caching_cachepolicy_change", args=[policy.pk]), form).status_code == 302
    policy.refresh_from_db()
    assert (policy.semantic_mode, policy.floor, policy.semantic_enabled) == ("balanced", 0.9, False)


def test_a_floor_below_one_half_is_refused(ops: Client, alice: Tenant) -> None:
    policy = CachePolicy.objects.get(tenant=alice)
    ops.post(reverse("admin:caching_cachepolicy_change", args=[policy.pk]), {"floor": "0.1"})
    policy.refresh_from_db()
    assert policy.floor == 0.85


def test_the_tenants_page_shows_its_policy(ops: Client, alice: Tenant) -> None:
    assert "semantic cache (L2)" in page(ops, "tenants_tenant_change", alice.pk).lower().replace("l2", "L2")


def test_entries_are_found_by_their_question(ops: Client, entry: CacheEntry) -> None:
    assert "capital of France" in page(ops, "caching_cacheentry_changelist", query="?q=France&expired=no")
    assert "capital of France" not in page(ops, "caching_cacheentry_changelist", query="?expired=yes")
    assert "Paris" in page(ops, "caching_cacheentry_change", entry.pk)


def test_a_deleted_entry_is_gone_from_both_caches(
    ops: Client, entry: CacheEntry, cache_redis: "redis.Redis"
) -> None:
    ops.post(
        reverse("admin:caching_cacheentry_changelist"),
        {"action": "drop_entries", "_selected_action": [str(entry.pk)]},
    )
    assert not CacheEntry.objects.exists()
    assert not cache_redis.exists(answer_key(entry.tenant_id, b"f" * 32))


def test_who_may_only_look_at_entries_cannot_delete_them(entry: CacheEntry) -> None:
    viewer = User.objects.create_user("viewer@example.com", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_cacheentry"))
    client = Client()
    client.force_login(viewer)
    client.post(
        reverse("admin:caching_cacheentry_changelist"),
        {"action": "drop_entries", "_selected_action": [str(entry.pk)]},
    )
    assert CacheEntry.objects.exists()


def test_there_is_one_switch(ops: Client) -> None:
    assert ops.get(reverse("admin:caching_cacheswitch_add")).status_code == 200
    CacheSwitch.objects.create()
    assert ops.get(reverse("admin:caching_cacheswitch_add")).status_code == 403
    assert "Semantic cache of all tenants" in page(ops, "caching_cacheswitch_changelist")
