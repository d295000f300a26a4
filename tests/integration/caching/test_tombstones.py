import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from django.utils import timezone

from caching import answers, sweeps
from caching.answers import StoredAnswer
from caching.cache_redis import answer_key
from caching.models import CacheEntry, JudgedPair, Tombstone
from caching.tombstones import Author, bury, judge_entry, judge_hit, reach
from tenants.models import Tenant
from tests.caching_values import EMBEDDER, answer, asked_hit, direction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis")]

CALLER = Author(name="k1", is_staff=False)
STAFF = Author(name="ops@example.com", is_staff=True)
OWN, ASKED, OTHER = b"o" * 32, b"a" * 32, b"x" * 32


@pytest.fixture
def alice(cache_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug="alice")


def keep(tenant: Tenant, **fields: Any) -> CacheEntry:
    stored: StoredAnswer = answer()
    columns: dict[str, Any] = {
        "id": stored.entry,
        "tenant": tenant,
        "fingerprint": OWN,
        "scope": b"s" * 32,
        "embedder_id": EMBEDDER,
        "vector": direction(1.0).values,
        "question": "What is the capital of France?",
        "answer": {},
        "model": stored.model,
        "provider": stored.provider,
        "complexity": stored.complexity,
        "key_public_id": stored.key_public_id,
        "request_id": stored.request_id,
        "expires_at": datetime.fromtimestamp(time.time() + 60, tz=UTC),
    }
    return CacheEntry.objects.create(**columns | fields)


@pytest.fixture
def copies(alice: Tenant, cache_redis: "redis.Redis") -> Callable[..., set[bytes]]:
    """Keeps an answer in L1 under each of three fingerprints; then tells which are left."""

    def copies(entry: UUID | None = None) -> set[bytes]:
        places = {each: answer_key(alice.pk, each) for each in (OWN, ASKED, OTHER)}
        if entry:
            for place in places.values():
                cache_redis.set(place, answers.dump(answer(entry=entry)))
        return {each for each, place in places.items() if cache_redis.exists(place)}

    return copies


def version_of(tenant: Tenant) -> int:
    return Tenant.objects.get(pk=tenant.pk).policy_version


def test_a_bad_hit_is_buried_and_its_copies_are_gone_but_the_entrys_own(
    alice: Tenant, copies: Callable[..., set[bytes]]
) -> None:
    entry, before = keep(alice), version_of(alice)
    copies(entry.id)
    hit = asked_hit(entry=entry.id, fingerprint=ASKED)
    given = judge_hit(alice.pk, uuid4(), hit, "bad", note="no", author=CALLER)
    assert (given.effect, given.repeated) == ("buried", False)
    assert copies() == {OWN}
    assert version_of(alice) > before
    tombstone = Tombstone.objects.get()
    assert (bytes(tombstone.fingerprint), tombstone.created_by) == (OWN, "k1")
    assert tombstone.least_similarity == pytest.approx(0.975)


def test_the_pair_is_labelled_once_and_the_last_verdict_wins(alice: Tenant) -> None:
    entry, request_id = keep(alice), uuid4()
    hit = asked_hit(entry=entry.id)
    verdicts = [
        judge_hit(alice.pk, request_id, hit, verdict, note="", author=CALLER)
        for verdict in ("bad", "bad", "good", "good", "bad")
    ]
    assert [given.repeated for given in verdicts] == [False, True, False, True, False]
    assert [given.effect for given in verdicts] == ["buried", "buried", "unburied", "none", "buried"]
    pair = JudgedPair.objects.get()
    assert (pair.origin, pair.label, pair.method, pair.judged_by) == ("feedback", "different", "caller", "k1")
    assert (pair.question, pair.stored_question) == (hit.question, hit.stored_question)
    assert Tombstone.objects.count() == 1


def test_a_repeated_verdict_leaves_a_better_answer_alone(alice: Tenant, cache_redis: "redis.Redis") -> None:
    entry, request_id = keep(alice), uuid4()
    hit = asked_hit(entry=entry.id, fingerprint=ASKED)
    judge_hit(alice.pk, request_id, hit, "bad", note="", author=CALLER)
    cache_redis.set(answer_key(alice.pk, ASKED), answers.dump(answer(text="anew")))
    judge_hit(alice.pk, request_id, hit, "bad", note="", author=CALLER)
    assert cache_redis.exists(answer_key(alice.pk, ASKED))


def test_a_bad_answer_to_the_entrys_own_question_takes_the_entry(
    alice: Tenant, copies: Callable[..., set[bytes]]
) -> None:
    entry = keep(alice)
    keep(alice, id=uuid4(), fingerprint=OTHER, alias_of=entry.id)
    copies(entry.id)
    hit = asked_hit(entry=entry.id, fingerprint=OWN)
    assert judge_hit(alice.pk, uuid4(), hit, "bad", note="", author=CALLER).effect == "purged"
    assert not CacheEntry.objects.exists()
    assert not Tombstone.objects.exists()
    assert not JudgedPair.objects.exists()
    assert copies() == set()


def test_what_staff_pinned_only_staff_take_out(alice: Tenant, copies: Callable[..., set[bytes]]) -> None:
    entry = keep(alice, pinned=True)
    copies(entry.id)
    assert judge_entry(alice.pk, entry.id, "bad", author=CALLER).effect == "pinned"
    assert copies() == {OWN}
    assert judge_entry(alice.pk, entry.id, "bad", author=STAFF).effect == "purged"
    assert not CacheEntry.objects.exists()


def test_an_entry_that_is_gone_leaves_only_copies_to_drop(
    alice: Tenant, copies: Callable[..., set[bytes]]
) -> None:
    gone = uuid4()
    copies(gone)
    given = judge_hit(alice.pk, uuid4(), asked_hit(entry=gone), "bad", note="", author=CALLER)
    assert given.effect == "purged"
    assert copies() == set()


def test_another_tenants_entry_is_out_of_reach(alice: Tenant) -> None:
    charlie = Tenant.objects.create(slug="charlie")
    entry = keep(alice)
    judge_hit(charlie.pk, uuid4(), asked_hit(entry=entry.id), "bad", note="", author=CALLER)
    assert judge_entry(charlie.pk, entry.id, "bad", author=CALLER).effect == "none"
    assert CacheEntry.objects.filter(tenant=alice).count() == 1
    assert not Tombstone.objects.filter(tenant=alice).exists()


@pytest.mark.parametrize(("similarity", "least"), [(0.9, 0.95), (0.98, 0.99), (1.0, 0.999)])
def test_a_tombstone_reaches_half_the_way_to_the_stored_question(similarity: float, least: float) -> None:
    assert reach(similarity) == pytest.approx(least)


def test_tombstones_of_long_ago_are_forgotten_but_for_pinned_answers(alice: Tenant) -> None:
    kept = keep(alice, id=uuid4(), fingerprint=OTHER, pinned=True)
    for entry in (keep(alice), kept):
        bury(entry, direction(1.0, 0.3), 0.95, request_id=uuid4(), author=CALLER)
    assert sweeps.forget_judged() == 0
    Tombstone.objects.update(created_at=timezone.now() - timedelta(days=101))
    assert sweeps.forget_judged() == 1
    assert Tombstone.objects.get().entry == kept.id
