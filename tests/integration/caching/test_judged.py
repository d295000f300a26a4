import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

import tenants.database
from caching import sweeps
from caching.evidence import evidence_of
from caching.judged import Basis, JudgedUnavailable, NewPair, PostgresJudgedPairs
from caching.models import CacheEntry, JudgedPair
from tenants.database import TenantDatabase
from tenants.models import Tenant
from tests.caching_values import EMBEDDER, direction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis")]

BASIS = Basis(embedder_id=EMBEDDER, verifier="v1", balanced=False)


@pytest.fixture
async def alice(transactional_db: None) -> Tenant:
    return await Tenant.objects.acreate(slug="alice")


@pytest.fixture
async def charlie(transactional_db: None) -> Tenant:
    return await Tenant.objects.acreate(slug="charlie")


@pytest.fixture
async def judged(transactional_db: None) -> AsyncIterator[PostgresJudgedPairs]:
    database = TenantDatabase()
    await database.open()
    yield PostgresJudgedPairs(database)
    await database.close()


def pair(tenant: Tenant, **fields: Any) -> NewPair:
    values: dict[str, Any] = {
        "tenant_id": tenant.pk,
        "origin": "audit",
        "request_id": uuid4(),
        "entry": uuid4(),
        "scope": b"s" * 32,
        "embedder_id": EMBEDDER,
        "question": "Which city is the capital of France?",
        "stored_question": "What is the capital of France?",
        "similarity": 0.93,
        "verifier_score": 0.7,
        "verifier": "v1",
        "floor": 0.85,
        "mode": "strict",
        "verdict": "serve",
        "label": "same",
        "method": "exact",
        "cost_nano": 70,
    }
    return NewPair(**values | fields)


async def test_a_tenant_sees_only_its_own_pairs(
    judged: PostgresJudgedPairs, alice: Tenant, charlie: Tenant
) -> None:
    await judged.add(pair(alice))
    await judged.add(pair(alice, label="different"))
    standing = await judged.standing(alice.pk, BASIS)
    assert (standing.judged, standing.wrong, standing.spent_nano) == (2, 1, 140)
    others = await judged.standing(charlie.pk, BASIS)
    assert (others.judged, others.wrong, others.spent_nano) == (0, 0, 0)


async def test_row_security_keeps_a_pair_from_being_written_for_somebody_else(
    judged: PostgresJudgedPairs, alice: Tenant, charlie: Tenant
) -> None:
    await judged.add(pair(alice))
    statement = "SELECT count(*) FROM caching_judgedpair"
    [(count,)] = await judged._database.ask(charlie.pk, statement, {})
    assert count == 0


async def test_pairs_on_another_basis_do_not_count_but_cost(
    judged: PostgresJudgedPairs, alice: Tenant
) -> None:
    for other in ({"verifier": "v2"}, {"embedder_id": "bge-m3"}, {"mode": "balanced"}):
        await judged.add(pair(alice, **other))
    for elsewhere in ({"origin": "shadow"}, {"label": "unsure"}, {"verdict": "verifier"}):
        await judged.add(pair(alice, **elsewhere))
    standing = await judged.standing(alice.pk, BASIS)
    assert (standing.judged, standing.spent_nano) == (0, 420)


async def test_a_text_that_postgres_cannot_hold_is_kept_without_its_nul(
    judged: PostgresJudgedPairs, alice: Tenant
) -> None:
    await judged.add(pair(alice, question="a\0b"))
    assert (await JudgedPair.objects.aget()).question == "ab"


async def test_a_dead_database_is_told_at_once(
    judged: PostgresJudgedPairs, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tenants.database, "_owners_address", lambda: "host=127.0.0.1 port=9 connect_timeout=1"
    )
    dead = TenantDatabase(wait_seconds=0.2)
    await dead.open()
    with pytest.raises(JudgedUnavailable):
        await asyncio.wait_for(PostgresJudgedPairs(dead).add(pair(alice)), 10)
    await dead.close()


async def test_an_answer_of_staff_is_known(judged: PostgresJudgedPairs, alice: Tenant) -> None:
    columns: dict[str, Any] = {
        "tenant": alice,
        "scope": b"s" * 32,
        "embedder_id": EMBEDDER,
        "vector": direction(1.0).values,
        "question": "Which office?",
        "answer": {},
        "model": "small-1",
        "provider": "demo",
        "complexity": "simple",
        "key_public_id": "k1",
        "request_id": uuid4(),
        "expires_at": timezone.now() + timedelta(hours=1),
    }
    pinned = await CacheEntry.objects.acreate(fingerprint=b"a" * 32, pinned=True, **columns)
    ordinary = await CacheEntry.objects.acreate(fingerprint=b"b" * 32, **columns)
    assert await judged.is_by_staff(alice.pk, pinned.id)
    assert not await judged.is_by_staff(alice.pk, ordinary.id)


async def test_evidence_is_the_same_for_pages_and_for_the_data_plane(
    judged: PostgresJudgedPairs, alice: Tenant, charlie: Tenant
) -> None:
    for label in ("same", "same", "same", "different", "unsure"):
        await judged.add(pair(alice, label=label))
    await judged.add(pair(alice, origin="shadow", label="different", similarity=0.88, verifier="v0"))
    await judged.add(pair(alice, origin="near_miss", verdict="numbers", label="same"))
    await judged.add(pair(alice, origin="feedback", label="different"))
    await judged.add(pair(charlie, label="different"))
    evidence = await sync_to_async(evidence_of)(alice.pk)
    assert (evidence.audited, evidence.wrong, evidence.unsure, evidence.wrong_hit_share) == (4, 1, 1, 0.25)
    assert evidence.interval.low < 0.25 < evidence.interval.high
    assert (evidence.would_be.judged, evidence.would_be.wrong) == (1, 1)
    assert (evidence.near_misses.same, evidence.feedback.wrong) == (1, 1)
    assert {name: share.judged for name, share in evidence.by_verifier.items()} == {"v0": 1, "v1": 4}
    assert {band: share.judged for band, share in evidence.by_band.items()} == {0.85: 1, 0.9: 4}
    now = datetime.now(UTC)
    assert await judged.evidence(alice.pk, now - timedelta(days=1), now + timedelta(days=1)) == evidence


async def test_texts_are_blanked_after_two_weeks_and_the_figures_stay(
    judged: PostgresJudgedPairs, alice: Tenant
) -> None:
    await judged.add(pair(alice))
    await judged.add(pair(alice))
    kept_until = (await JudgedPair.objects.afirst()).texts_until - timezone.now()  # type: ignore[union-attr]
    assert timedelta(days=13, hours=23) < kept_until <= timedelta(days=14)
    assert await sync_to_async(sweeps.forget_judged)() == 0
    await JudgedPair.objects.aupdate(texts_until=timezone.now())
    assert await sync_to_async(sweeps.forget_judged)(batch=1) == 2
    assert {row async for row in JudgedPair.objects.values_list("question", "stored_question", "label")} == {
        ("", "", "same")
    }


async def test_pairs_of_long_ago_are_deleted(judged: PostgresJudgedPairs, alice: Tenant) -> None:
    await judged.add(pair(alice))
    await JudgedPair.objects.aupdate(created_at=timezone.now() - timedelta(days=101))
    await judged.add(pair(alice))
    await sync_to_async(sweeps.forget_judged)()
    assert await JudgedPair.objects.acount() == 1
