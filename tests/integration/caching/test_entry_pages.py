"""Staff's hand work on entries: the answer, pins, variants, purges."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import redis
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone

from caching import answers
from caching.answers import StoredAnswer
from caching.by_hand import Change, NoSuchEntry, change_entry
from caching.cache_redis import answer_key
from caching.embedding import EmbeddingUnavailable
from caching.models import CacheEntry
from tenants.models import Tenant, User
from tests.caching_values import EMBEDDER, answer, direction

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("state_redis"),
]

urlpatterns = [path("admin/", admin.site.urls)]

OWN, COPY = b"f" * 32, b"c" * 32
BY = "ops@example.com"


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(BY))
    return client


@pytest.fixture
def viewer() -> Client:
    """May look at entries, and no more."""
    user = User.objects.create_user("viewer@example.com", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_cacheentry"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice(cache_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug="alice", name="Alice")


def keep(tenant: Tenant, stored: StoredAnswer, **fields: Any) -> CacheEntry:
    columns: dict[str, Any] = {
        "id": stored.entry,
        "tenant": tenant,
        "fingerprint": OWN,
        "scope": b"s" * 32,
        "embedder_id": EMBEDDER,
        "vector": direction(1.0).values,
        "question": "What is the capital of France?",
        "answer": orjson.loads(answers.dump(stored)),
        "model": stored.model,
        "provider": stored.provider,
        "complexity": stored.complexity,
        "key_public_id": stored.key_public_id,
        "request_id": stored.request_id,
        "expires_at": datetime.fromtimestamp(stored.expires_at, tz=UTC),
    }
    return CacheEntry.objects.create(**columns | fields)


@pytest.fixture
def entry(alice: Tenant, cache_redis: "redis.Redis") -> CacheEntry:
    stored = answer(message={"role": "assistant", "content": "Paris", "reasoning": "It is."})
    for place in (OWN, COPY):
        cache_redis.set(answer_key(alice.pk, place), answers.dump(stored))
    return keep(alice, stored)


def change_page(entry: CacheEntry) -> str:
    return reverse("admin:caching_cacheentry_change", args=[entry.pk])


def exact(client: "redis.Redis", entry: CacheEntry, place: bytes) -> str | None:
    value = client.get(answer_key(entry.tenant_id, place))
    return answers.load(value).text if isinstance(value, bytes) else None


def test_an_edited_answer_takes_the_old_ones_place_everywhere(
    ops: Client, entry: CacheEntry, cache_redis: "redis.Redis"
) -> None:
    before = Tenant.objects.get(pk=entry.tenant_id).policy_version
    form = {"answer_text": "Paris, since 987.\r\nMostly.", "new_variants": ""}
    assert ops.post(change_page(entry), form).status_code == 302
    entry.refresh_from_db()
    stored = answers.load(orjson.dumps(entry.answer))
    assert stored.text == "Paris, since 987.\nMostly."
    assert stored.message == {"role": "assistant", "content": stored.text}
    assert (stored.finish_reason, entry.edited_by, entry.edited_at is not None) == ("stop", BY, True)
    assert exact(cache_redis, entry, OWN) == stored.text
    assert exact(cache_redis, entry, COPY) is None
    assert Tenant.objects.get(pk=entry.tenant_id).policy_version > before
    assert "Answer" in LogEntry.objects.get().get_change_message()


def test_a_pinned_entry_and_its_variants_stay_beyond_their_time_until_unpinned(
    ops: Client, entry: CacheEntry
) -> None:
    alias = keep(entry.tenant, answer(), fingerprint=COPY, alias_of=entry.id, question="France's capital is?")
    form = {"answer_text": "Paris", "new_variants": ""}
    ops.post(change_page(entry), {**form, "pinned": "on"})
    for row in (entry, alias):
        row.refresh_from_db()
        assert row.pinned
        assert row.expires_at.year > 2100
        assert answers.load(orjson.dumps(row.answer)).expires_at == row.expires_at.timestamp()
    assert entry.edited_at is None
    ops.post(change_page(entry), form)
    entry.refresh_from_db()
    assert not entry.pinned
    assert 0 < (entry.expires_at - timezone.now()).total_seconds() <= 86_400


def test_other_ways_to_ask_share_the_answer(
    ops: Client, entry: CacheEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "caching.admin_entries.embed_now", lambda _, texts: [direction(0.0, 1.0)] * len(texts)
    )
    variants = "France's capital?\n\n  Which city rules France?  \nFrance's capital?"
    ops.post(change_page(entry), {"answer_text": "Paris, by hand", "new_variants": variants})
    aliases = CacheEntry.objects.filter(alias_of=entry.id)
    assert {alias.answer["text"] for alias in aliases} == {"Paris, by hand"}
    assert {alias.question for alias in aliases} == {"France's capital?", "Which city rules France?"}
    assert {alias.answer["entry"] for alias in aliases} == {str(entry.id)}
    assert "Which city rules France?" in ops.get(change_page(entry)).content.decode()


def test_without_an_embedding_worker_the_page_says_so_and_changes_nothing(
    ops: Client, entry: CacheEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise EmbeddingUnavailable("timeout")

    monkeypatch.setattr("caching.admin_entries.embed_now", away)
    response = ops.post(change_page(entry), {"answer_text": "Rome", "new_variants": "France's capital?"})
    assert "embedding worker" in response.content.decode()
    assert CacheEntry.objects.get().answer["text"] == "Paris"


@pytest.mark.parametrize("form", [{"answer_text": " "}, {"answer_text": "a\0b"}, {"answer_text": ""}])
def test_an_answer_has_a_text(ops: Client, entry: CacheEntry, form: dict[str, str]) -> None:
    assert ops.post(change_page(entry), {"new_variants": "", **form}).status_code == 200
    assert CacheEntry.objects.get().answer["text"] == "Paris"


def test_a_variant_is_changed_at_its_entry(ops: Client, entry: CacheEntry) -> None:
    alias = keep(entry.tenant, answer(), fingerprint=COPY, alias_of=entry.id)
    assert ops.post(change_page(alias), {"answer_text": "Rome"}).status_code == 403
    with pytest.raises(NoSuchEntry):
        change_entry(entry.tenant_id, alias.id, Change(text="Rome"), by=BY)


def test_who_may_only_look_changes_and_purges_nothing(viewer: Client, entry: CacheEntry) -> None:
    shown = viewer.get(change_page(entry)).content.decode()
    assert "Paris" in shown
    assert "answer_text" not in shown
    assert viewer.post(change_page(entry), {"answer_text": "Rome", "pinned": "on"}).status_code == 403
    assert viewer.get(reverse("admin:caching_cacheentry_purge")).status_code == 403
    assert viewer.post(reverse("admin:caching_cacheentry_purge"), {"tenant": "alice"}).status_code == 403
    entry.refresh_from_db()
    assert (entry.answer["text"], entry.pinned) == ("Paris", False)


def test_without_the_cache_redis_the_page_says_that_copies_may_be_left(
    ops: Client, entry: CacheEntry, settings: Any
) -> None:
    settings.REDIS_CACHE_URL = "redis://127.0.0.1:1/0"
    form = {"answer_text": "Rome", "new_variants": ""}
    shown = ops.post(change_page(entry), form, follow=True).content.decode()
    assert "old copies may be left" in shown
    assert CacheEntry.objects.get().answer["text"] == "Rome"


def test_a_purge_counts_first_and_deletes_when_told_so_again(
    ops: Client, entry: CacheEntry, cache_redis: "redis.Redis"
) -> None:
    Tenant.objects.create(slug="charlie")
    purge, form = reverse("admin:caching_cacheentry_purge"), {"tenant": "alice", "prompt": "capital of"}
    counted = ops.post(purge, form).content.decode()
    assert "1 entries (0 pinned) and 2 exact answers" in counted
    assert CacheEntry.objects.count() == 1
    other = ops.post(purge, {**form, "tenant": "charlie", "confirmed": "yes"}, follow=True).content.decode()
    assert "0 entries (0 pinned) and 0 exact answers deleted" in other
    told = ops.post(purge, {**form, "confirmed": "yes"}, follow=True).content.decode()
    assert "1 entries (0 pinned) and 2 exact answers deleted" in told
    assert not CacheEntry.objects.exists()
    assert exact(cache_redis, entry, COPY) is None
    assert "capital" not in LogEntry.objects.first().get_change_message()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "form",
    [
        {"tenant": "alice"},
        {"tenant": "nobody", "everything": "on"},
        {"tenant": "alice", "everything": "on", "tag": "x"},
        {"tenant": "alice", "prompt": "*"},
        {"tenant": "alice", "scope": "xyz"},
    ],
)
def test_an_unclear_purge_is_sent_back(ops: Client, entry: CacheEntry, form: dict[str, str]) -> None:
    response = ops.post(reverse("admin:caching_cacheentry_purge"), {**form, "confirmed": "yes"})
    assert 'role="alert"' in response.content.decode()
    assert CacheEntry.objects.exists()
