import uuid
from dataclasses import replace
from typing import Any

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analytics.record import CallRecord
from caching.models import CachePolicy, CacheSwitch, JudgedPair
from gateway.replaying import Calibration
from tenants.models import Tenant, User
from tests.integration.analytics.storing import store
from tests.records import record_of

CALIBRATED = Calibration(version="v1", strict=0.9, balanced=0.7)


@pytest.fixture(autouse=True)
def _calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.admin.calibration", lambda: CALIBRATED)


@pytest.fixture
def alice(transactional_db: None, state_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug=f"alice-{uuid.uuid4().hex[:8]}", name="Alice")


@pytest.fixture
def policy(alice: Tenant) -> CachePolicy:
    found = CachePolicy.objects.get(tenant=alice)
    found.semantic_mode = "shadow"
    found.save()
    return found


@pytest.fixture
def ops(alice: Tenant) -> Client:
    return signed_in("change_cachepolicy", "view_cachepolicy")


def signed_in(*permissions: str) -> Client:
    user = User.objects.create_user(f"{uuid.uuid4().hex}@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def address(name: str, policy: CachePolicy) -> str:
    return reverse(f"admin:caching_cachepolicy_{name}", args=[policy.pk])


def page(client: Client, name: str, policy: CachePolicy, **query: Any) -> str:
    response = client.get(address(name, policy), query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def mode_of(policy: CachePolicy) -> str:
    return CachePolicy.objects.get(pk=policy.pk).semantic_mode


def decided(tenant: Tenant, score: float, verdict: str = "serve", **fields: Any) -> CallRecord:
    step = {"entry": str(uuid.UUID(int=7)), "similarity": 0.95, "verdict": verdict, "score": score}
    decision = {"mode": "shadow", "floor": 0.85, "verifier": "v1", "candidates": [step]}
    record = record_of(tenant.pk, cache_status="miss", cost_nano=1_000, decision=decision, **fields)
    return replace(record, started_at=timezone.now().timestamp())


def judged(tenant: Tenant, record: CallRecord, label: str, origin: str = "shadow") -> None:
    JudgedPair.objects.create(
        tenant=tenant,
        origin=origin,
        request_id=record.id,
        entry=uuid.UUID(int=7),
        scope=b"s" * 32,
        embedder_id="e",
        similarity=0.95,
        floor=0.85,
        mode="shadow",
        verdict="serve",
        label=label,
        texts_until=timezone.now(),
    )


def test_promotion_goes_step_by_step_and_is_written_down(ops: Client, policy: CachePolicy) -> None:
    assert "Promote to strict" in page(ops, "trust", policy)
    assert "shadow → strict" in page(ops, "mode", policy, to="strict")
    ops.post(address("mode", policy), {"before": "shadow", "to": "strict"})
    ops.post(address("mode", policy), {"before": "strict", "to": "balanced"})
    assert mode_of(policy) == "balanced"
    ops.post(address("mode", policy), {"before": "balanced", "to": "strict"})
    assert mode_of(policy) == "strict"
    messages = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert len(messages) == 3
    assert "Semantic mode from shadow to strict. Known then:" in messages[0]


def test_a_step_that_there_is_not_is_refused(ops: Client, policy: CachePolicy) -> None:
    assert ops.get(address("mode", policy), {"to": "balanced"}).status_code == 400
    ops.post(address("mode", policy), {"before": "shadow", "to": "balanced"})
    ops.post(address("mode", policy), {"before": "nonsense", "to": "strict"})
    assert mode_of(policy) == "shadow"
    assert not LogEntry.objects.exists()


def test_a_step_on_what_has_changed_meanwhile_is_refused(ops: Client, policy: CachePolicy) -> None:
    CachePolicy.objects.filter(pk=policy.pk).update(semantic_mode="balanced")
    response = ops.post(address("mode", policy), {"before": "shadow", "to": "strict"}, follow=True)
    assert "changed meanwhile" in response.content.decode()
    assert mode_of(policy) == "balanced"


def test_without_a_verifier_nobody_is_promoted_but_everybody_demoted(
    ops: Client, policy: CachePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.admin.calibration", lambda: None)
    assert "not without a verifier" in page(ops, "trust", policy)
    assert "can't be taken" in page(ops, "mode", policy, to="strict")
    response = ops.post(address("mode", policy), {"before": "shadow", "to": "strict"}, follow=True)
    assert "has no verifier" in response.content.decode()
    assert mode_of(policy) == "shadow"
    CachePolicy.objects.filter(pk=policy.pk).update(semantic_mode="balanced")
    ops.post(address("mode", policy), {"before": "balanced", "to": "strict"})
    assert mode_of(policy) == "strict"


def test_who_may_only_look_sees_the_evidence_and_no_button(policy: CachePolicy) -> None:
    viewer = signed_in("view_cachepolicy")
    shown = page(viewer, "trust", policy)
    assert "Evidence" in shown
    assert "Promote to strict…" not in shown
    assert "Stop now" not in shown
    for name in ("mode", "switch"):
        assert viewer.post(address(name, policy), {"before": "shadow", "to": "strict"}).status_code == 403
    assert mode_of(policy) == "shadow"


def test_staff_without_the_permission_see_nothing(policy: CachePolicy) -> None:
    nobody = signed_in()
    for name in ("trust", "mode", "replay"):
        assert nobody.get(address(name, policy)).status_code == 403


def test_a_post_needs_its_token(policy: CachePolicy, ops: Client) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = ops.cookies
    assert careful.post(address("mode", policy), {"before": "shadow", "to": "strict"}).status_code == 403


def test_the_kill_switch_of_the_tenant(ops: Client, policy: CachePolicy) -> None:
    assert "Stop now" in page(ops, "trust", policy)
    ops.post(address("switch", policy), {"allowed": "no"})
    assert not CachePolicy.objects.get(pk=policy.pk).semantic_enabled
    assert '<strong data-switch="tenant">stopped</strong>' in page(ops, "trust", policy)
    ops.post(address("switch", policy), {"allowed": "yes"})
    assert CachePolicy.objects.get(pk=policy.pk).semantic_enabled
    assert LogEntry.objects.count() == 2
    assert ops.get(address("switch", policy)).status_code == 405


def test_the_kill_switch_of_all_is_shown(ops: Client, policy: CachePolicy) -> None:
    CacheSwitch.objects.create(semantic_enabled=False)
    assert '<strong data-switch="all">stopped</strong>' in page(ops, "trust", policy)


@pytest.fixture
def decisions(alice: Tenant) -> list[CallRecord]:
    records = [decided(alice, 0.95), decided(alice, 0.8, "verifier"), decided(alice, 0.3, "verifier")]
    store(records)
    return records


def test_the_evidence_says_what_is_missing(
    ops: Client, policy: CachePolicy, alice: Tenant, decisions: list[CallRecord]
) -> None:
    judged(alice, decisions[0], "same")
    shown = page(ops, "trust", policy)
    assert "L2 decided about 3 requests; 1 would-be hits were withheld" in shown
    assert "148 more checked hits, none of them wrong, would show that at most 2.0% are wrong" in shown


def test_enough_checked_hits_are_told(ops: Client, policy: CachePolicy, alice: Tenant) -> None:
    for _ in range(149):
        judged(alice, decided(alice, 0.95), "same")
    assert "the target of 2.0% is met" in page(ops, "mode", policy, to="strict")


def test_a_replay_shows_each_mode_and_floor(
    ops: Client, policy: CachePolicy, alice: Tenant, decisions: list[CallRecord]
) -> None:
    judged(alice, decisions[1], "different", origin="near_miss")
    shown = page(ops, "replay", policy, floor="0.96")
    assert 'data-decisions="3"' in shown
    assert "1 (33.3%)" in shown
    assert "2 (66.7%)" in shown
    assert "0 (0.0%)" in shown
    assert "(1 of 1)" in shown
    assert "0.000002000" in shown


def test_anothers_records_are_not_replayed(ops: Client, decisions: list[CallRecord]) -> None:
    other = Tenant.objects.create(slug=f"charlie-{uuid.uuid4().hex[:8]}", name="Charlie")
    assert "no request in this range" in page(ops, "replay", CachePolicy.objects.get(tenant=other))


@pytest.mark.parametrize("query", [{"days": "0"}, {"days": "x"}, {"floor": "2"}, {"floor": "nan"}])
def test_bad_parameters_of_a_replay_are_explained(
    ops: Client, policy: CachePolicy, query: dict[str, str]
) -> None:
    assert 'role="alert"' in page(ops, "replay", policy, **query)


def test_the_policys_page_leads_to_both(ops: Client, policy: CachePolicy) -> None:
    changed = page(ops, "change", policy)
    for name in ("trust", "replay"):
        link = reverse(f"admin:caching_cachepolicy_open_{name}", args=[policy.pk])
        assert link in changed
        assert ops.get(link)["Location"] == address(name, policy)


def test_pages_ask_nobody_else(ops: Client, policy: CachePolicy) -> None:
    for name in ("trust", "replay"):
        assert "https://" not in page(ops, name, policy).replace("https://www.w3.org", "")
