from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.utils import timezone

from caching.models import CachePolicy, FloorChange, JudgedPair
from caching.policy import CacheRules
from caching.tuning import forget_tuning, tune, tune_all
from tenants.models import Tenant
from tenants.policy import load_tenant_policy
from tests.caching_values import EMBEDDER

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alice(state_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug="alice")


def judge(tenant: Tenant, count: int, label: str, **fields: Any) -> None:
    values: dict[str, Any] = {
        "tenant": tenant,
        "origin": "audit",
        "scope": b"s" * 32,
        "embedder_id": EMBEDDER,
        "similarity": 0.9,
        "verifier": "v1",
        "floor": 0.85,
        "mode": "strict",
        "verdict": "serve",
        "label": label,
        "texts_until": timezone.now() + timedelta(days=14),
    }
    JudgedPair.objects.bulk_create(
        JudgedPair(**values | {"request_id": uuid4(), "entry": uuid4()} | fields) for _ in range(count)
    )


def test_a_planted_wrong_share_raises_the_floor_and_says_why(
    alice: Tenant, state_redis: "redis.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    judge(alice, 36, "same", similarity=0.96)
    judge(alice, 8, "different")
    change = tune(alice.pk)
    assert change is not None
    assert (change.before, change.audited, change.wrong) == (0.85, 44, 8)
    assert change.after == CachePolicy.objects.get(tenant=alice).tuned_floor == 0.88
    assert change.reason.startswith("over the target of 2.0%: 8 of 44 wrong, 18.2% (95 % interval 8.2%")
    assert "floor moved" in caplog.text
    published = load_tenant_policy(state_redis.hget(f"hp:policy:tenant:{alice.pk}", "policy") or b"")  # type: ignore[arg-type]
    assert published.part(CacheRules).least_similarity == 0.88
    assert FloorChange.objects.count() == 1


def test_it_is_done_for_every_tenant_and_for_each_by_its_own_pairs(alice: Tenant) -> None:
    bob = Tenant.objects.create(slug="bob")
    judge(alice, 40, "different")
    judge(bob, 40, "same")
    assert [change.tenant_id for change in tune_all()] == [alice.pk]
    assert CachePolicy.objects.get(tenant=bob).tuned_floor is None


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": "near_miss", "verdict": "numbers"},
        {"origin": "feedback"},
        {"created_at": timezone.now() - timedelta(days=31)},
    ],
)
def test_what_is_no_sample_of_recent_hits_moves_nothing(alice: Tenant, fields: dict[str, Any]) -> None:
    judge(alice, 40, "different", **fields)
    assert tune(alice.pk) is None


def test_unsure_pairs_count_neither_way(alice: Tenant) -> None:
    judge(alice, 29, "different")
    judge(alice, 100, "unsure")
    assert tune(alice.pk) is None


def test_a_new_verifier_starts_with_a_clean_sheet(alice: Tenant) -> None:
    judge(alice, 40, "different", created_at=timezone.now() - timedelta(hours=1))
    judge(alice, 30, "same", verifier="v2")
    assert tune(alice.pk) is None


def test_well_below_the_target_the_floor_comes_down_again_but_never_below_the_staffs(alice: Tenant) -> None:
    CachePolicy.objects.filter(tenant=alice).update(tuned_floor=0.87)
    FloorChange.objects.create(tenant=alice, before=0.85, after=0.87, audited=50, wrong=9, reason="then")
    judge(alice, 300, "same", similarity=0.95)
    judge(alice, 20, "same", origin="near_miss", verdict="tuned_floor", similarity=0.865)
    judge(alice, 20, "same", origin="near_miss", verdict="tuned_floor", similarity=0.855)
    first = tune(alice.pk)
    assert first is not None
    assert (first.before, first.after) == (0.87, 0.86)
    assert tune(alice.pk) is None
    judge(alice, 100, "same", similarity=0.95)
    second = tune(alice.pk)
    assert second is not None
    assert second.after == 0.85
    assert CachePolicy.objects.get(tenant=alice).tuned_floor is None
    judge(alice, 200, "same", similarity=0.95)
    assert tune(alice.pk) is None


def test_a_tenant_without_audits_is_left_alone(alice: Tenant) -> None:
    CachePolicy.objects.filter(tenant=alice).update(audits_enabled=False)
    judge(alice, 40, "different")
    assert tune(alice.pk) is None


def test_staff_can_go_back_to_their_floor(alice: Tenant) -> None:
    judge(alice, 40, "different")
    assert tune(alice.pk) is not None
    change = forget_tuning(alice.pk, by="ops@example.com")
    assert change is not None
    assert (change.after, change.reason) == (0.85, "by hand: ops@example.com")
    assert CachePolicy.objects.get(tenant=alice).tuned_floor is None
    assert forget_tuning(alice.pk, by="ops@example.com") is None
    assert tune(alice.pk) is None
