import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from caching import answers, selectors, sweeps
from caching.cache_redis import answer_key, asked_key, asked_keys
from caching.exact import CacheUnavailable
from caching.models import CacheEntry, CachePolicy, CacheSwitch, Tombstone
from caching.policy import CacheRules, CacheSwitches
from caching.purging import Purged, Selection, purge
from caching.tombstones import Author, bury
from tenants.models import Tenant
from tests.caching_values import EMBEDDER, answer, direction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis")]


@pytest.fixture
def alice(cache_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug="alice")


@pytest.fixture
def charlie(cache_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug="charlie")


_numbers = iter(range(1_000_000))


def keep(tenant: Tenant, client: "redis.Redis", **fields: Any) -> UUID:
    """Keep an answer in both caches."""
    stored = answer(**fields)
    fingerprint = next(_numbers).to_bytes(32)
    CacheEntry.objects.create(
        id=stored.entry,
        tenant=tenant,
        fingerprint=fingerprint,
        scope=b"s" * 32,
        embedder_id=fields.get("embedder", EMBEDDER),
        vector=direction(1.0).values,
        question="What is the capital of France?",
        answer={},
        model=stored.model,
        provider=stored.provider,
        complexity=stored.complexity,
        key_public_id=stored.key_public_id,
        request_id=stored.request_id,
        tags=list(stored.tags),
        created_at=datetime.fromtimestamp(stored.created_at, tz=UTC),
        expires_at=datetime.fromtimestamp(stored.expires_at, tz=UTC),
    )
    client.set(answer_key(tenant.pk, fingerprint), answers.dump(stored))
    return stored.entry


def left(tenant: Tenant, client: "redis.Redis") -> tuple[int, int]:
    keys = list(client.scan_iter(match=f"hp:{{{tenant.pk}}}:answer:*"))
    return CacheEntry.objects.filter(tenant=tenant).count(), len(keys)


@pytest.mark.parametrize(("development", "mode"), [(True, "strict"), (False, "shadow")])
def test_a_new_tenant_has_a_policy_that_serves_only_in_development(
    settings: Settings, development: bool, mode: str
) -> None:
    settings.DEVELOPMENT = development
    tenant = Tenant.objects.create(slug="new")
    assert CachePolicy.objects.get(tenant=tenant).semantic_mode == mode


def test_the_rules_are_the_policys_fields(alice: Tenant) -> None:
    CachePolicy.objects.filter(tenant=alice).update(floor=0.9, semantic_mode="balanced", epoch=3)
    rules = selectors.build_cache_rules(alice.pk)
    assert isinstance(rules, CacheRules)
    assert (rules.floor, rules.semantic_mode, rules.epoch, rules.sharing) == (0.9, "balanced", 3, "key")


def test_a_tenant_without_a_policy_has_the_defaults(alice: Tenant) -> None:
    CachePolicy.objects.filter(tenant=alice).delete()
    assert selectors.build_cache_rules(alice.pk).ttl_seconds == 86_400


def test_nothing_is_stopped_until_the_switch_is_thrown() -> None:
    assert selectors.build_switches() == CacheSwitches(semantic_enabled=True)
    CacheSwitch.objects.create(semantic_enabled=False)
    assert selectors.build_switches() == CacheSwitches(semantic_enabled=False)


def test_a_saved_policy_has_a_higher_version(alice: Tenant) -> None:
    before = Tenant.objects.get(pk=alice.pk).policy_version
    CachePolicy.objects.get(tenant=alice).save()
    assert Tenant.objects.get(pk=alice.pk).policy_version > before


def test_purging_everything_takes_one_tenants_answers_and_raises_its_epoch(
    alice: Tenant, charlie: Tenant, cache_redis: "redis.Redis"
) -> None:
    for tenant in (alice, alice, charlie):
        keep(tenant, cache_redis)
    purged = purge(alice.pk, Selection(everything=True), dry_run=False)
    assert purged == Purged(entries=2, exact=2)
    assert (left(alice, cache_redis), left(charlie, cache_redis)) == ((0, 0), (1, 1))
    epochs = dict(CachePolicy.objects.values_list("tenant__slug", "epoch"))
    assert epochs == {"alice": 1, "charlie": 0}


def test_a_dry_run_only_counts(alice: Tenant, cache_redis: "redis.Redis") -> None:
    keep(alice, cache_redis)
    assert purge(alice.pk, Selection(everything=True), dry_run=True) == Purged(entries=1, exact=1)
    assert left(alice, cache_redis) == (1, 1)
    assert CachePolicy.objects.get(tenant=alice).epoch == 0


@pytest.mark.parametrize(
    "selection",
    [
        Selection(tag="faq"),
        Selection(model="large-1"),
        Selection(model="demo/large-1"),
        Selection(older_than_s=3600),
        Selection(tag="faq", model="large-1", older_than_s=3600),
    ],
    ids=["tag", "model", "full model name", "age", "all conditions"],
)
def test_a_purge_takes_what_all_conditions_apply_to(
    alice: Tenant, cache_redis: "redis.Redis", selection: Selection
) -> None:
    keep(alice, cache_redis, tags=("faq", "x"), model="large-1", created_at=time.time() - 7200)
    kept = keep(alice, cache_redis)
    assert purge(alice.pk, selection, dry_run=False) == Purged(entries=1, exact=1)
    assert CacheEntry.objects.get().id == kept
    assert left(alice, cache_redis) == (1, 1)


def test_purging_an_entry_takes_its_exact_copies_too(alice: Tenant, cache_redis: "redis.Redis") -> None:
    entry = keep(alice, cache_redis)
    copy = answer(entry=entry)
    cache_redis.set(answer_key(alice.pk, b"another fingerprint"), answers.dump(copy))
    purged = purge(alice.pk, Selection(entries=frozenset([entry])), dry_run=False)
    assert purged == Purged(entries=1, exact=2)


@pytest.mark.parametrize("by_prompt", [True, False])
def test_a_purged_alias_takes_the_copies_of_its_question_and_leaves_its_entry(
    alice: Tenant, cache_redis: "redis.Redis", by_prompt: bool
) -> None:
    entry, alias = keep(alice, cache_redis), keep(alice, cache_redis)
    CacheEntry.objects.filter(id=alias).update(alias_of=entry, question="France's seat of government?")
    # Of a variant nobody knows the fingerprint that its askers have.
    cache_redis.set(answer_key(alice.pk, b"another fingerprint"), answers.dump(answer(entry=entry)))
    chosen = Selection(prompt="seat of") if by_prompt else Selection(entries=frozenset([alias]))
    assert purge(alice.pk, chosen, dry_run=False).entries == 1
    assert CacheEntry.objects.get().id == entry
    assert not cache_redis.exists(answer_key(alice.pk, b"another fingerprint"))


def test_purging_everything_forgets_what_was_asked_and_what_was_buried(
    alice: Tenant, charlie: Tenant, cache_redis: "redis.Redis"
) -> None:
    for tenant in (alice, charlie):
        entry = CacheEntry.objects.get(id=keep(tenant, cache_redis))
        bury(entry, direction(1.0), 0.9, request_id=uuid4(), author=Author(name="k1", is_staff=False))
        cache_redis.set(asked_key(tenant.pk, uuid4()), b"a question")
    purge(alice.pk, Selection(everything=True), dry_run=False)
    assert list(cache_redis.scan_iter(match=asked_keys(alice.pk))) == []
    assert len(list(cache_redis.scan_iter(match=asked_keys(charlie.pk)))) == 1
    assert [each.tenant for each in Tombstone.objects.all()] == [charlie]


def test_another_tenants_entry_cannot_be_purged(
    alice: Tenant, charlie: Tenant, cache_redis: "redis.Redis"
) -> None:
    entry = keep(alice, cache_redis)
    purged = purge(charlie.pk, Selection(entries=frozenset([entry])), dry_run=False)
    assert purged == Purged(entries=0, exact=0)
    assert left(alice, cache_redis) == (1, 1)


@pytest.mark.parametrize("fields", [{}, {"everything": True, "tag": "faq"}])
def test_an_unclear_selection_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="everything"):
        Selection(**fields)


def test_a_purge_that_cannot_reach_the_exact_cache_says_so(alice: Tenant, settings: Settings) -> None:
    settings.REDIS_CACHE_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CacheUnavailable):
        purge(alice.pk, Selection(everything=True), dry_run=False)


def test_a_deleted_tenants_entries_go_with_it(alice: Tenant, cache_redis: "redis.Redis") -> None:
    keep(alice, cache_redis)
    alice.delete()
    assert not CacheEntry.objects.exists()


def test_the_sweep_deletes_what_is_expired_in_batches(alice: Tenant, cache_redis: "redis.Redis") -> None:
    for _ in range(5):
        keep(alice, cache_redis, expires_at=time.time() - 1)
    kept = keep(alice, cache_redis)
    assert sweeps.delete_expired(batch=2) == 5
    assert CacheEntry.objects.get().id == kept


def test_an_embedder_gets_one_vector_index(alice: Tenant, cache_redis: "redis.Redis") -> None:
    keep(alice, cache_redis)
    keep(alice, cache_redis)
    CacheEntry.objects.filter(id=CacheEntry.objects.first().id).update(embedder_id="it's another/model")  # type: ignore[union-attr]
    try:
        assert sweeps.ensure_vector_indexes() == ["it's another/model"]
        assert sweeps.ensure_vector_indexes() == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                r"SELECT indexname FROM pg_indexes WHERE indexname ~ '^caching_cacheentry_[vs]_'", []
            )
            names = [name for (name,) in cursor.fetchall()]
            for name in names:
                cursor.execute(f"DROP INDEX {name}")
    assert len(names) == 2


def test_the_stats_count_entries_bytes_and_exact_keys(
    alice: Tenant, charlie: Tenant, cache_redis: "redis.Redis"
) -> None:
    keep(alice, cache_redis)
    keep(alice, cache_redis, model="large-1", expires_at=time.time() - 1)
    keep(charlie, cache_redis)
    stats = selectors.cache_stats(alice.pk)
    assert (stats.entries, stats.expired, stats.exact_keys) == (2, 1, 2)
    assert stats.by_model == {"demo/large-1": 1, "demo/small-1": 1}
    assert stats.bytes > 2 * 2 * 384
    assert selectors.cache_stats(None).exact_keys == 3
