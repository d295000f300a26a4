import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import OperationalError, transaction
from pytest_django import Settings

from tenants import snapshots
from tenants.models import GatewayLimit, Tenant
from tenants.services import IssuedKey, key_issue, key_revoke, tenant_create
from tenants.snapshots import PolicyStore, PolicyUnavailable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis")]


@pytest.fixture
def issued() -> IssuedKey:
    return key_issue(tenant_create("alice"), label="first")


@pytest.fixture
async def store(issued: IssuedKey) -> AsyncIterator[PolicyStore]:
    made = PolicyStore(poll_seconds=0.05, compare_seconds=0.2)
    await made.start()
    yield made
    await made.stop()


async def eventually(holds: Callable[[], Awaitable[bool]]) -> bool:
    for _ in range(600):
        if await holds():
            return True
        await asyncio.sleep(0.05)
    return False


def known(store: PolicyStore, key: IssuedKey) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await store.find_key(key.row.digest) is not None

    return check


def unknown(store: PolicyStore, key: IssuedKey) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await store.find_key(key.row.digest) is None

    return check


async def test_a_key_is_found_with_its_tenant(store: PolicyStore, issued: IssuedKey) -> None:
    found = await store.find_key(issued.row.digest)
    assert found is not None
    tenant, key = found
    assert (tenant.slug, key.public_id) == ("alice", issued.row.public_id)


async def test_a_key_of_nobody_is_not_found(store: PolicyStore) -> None:
    assert await store.find_key("0" * 64) is None


async def test_a_revoked_key_is_forgotten(store: PolicyStore, issued: IssuedKey) -> None:
    assert await known(store, issued)()
    await sync_to_async(key_revoke)(issued.row.public_id)
    assert await eventually(unknown(store, issued))


async def test_a_key_issued_after_it_was_asked_for_is_found(store: PolicyStore, issued: IssuedKey) -> None:
    await store.find_key("0" * 64)
    later = await sync_to_async(key_issue)(issued.row.tenant, label="later")
    assert await eventually(known(store, later))


async def test_a_suspended_tenants_keys_are_forgotten(store: PolicyStore, issued: IssuedKey) -> None:
    assert await known(store, issued)()
    await Tenant.objects.filter(pk=issued.row.tenant_id).aupdate(is_active=True)
    tenant = issued.row.tenant
    tenant.is_active = False
    await tenant.asave()
    assert await eventually(unknown(store, issued))


async def test_a_gateway_wide_limit_reaches_the_process(store: PolicyStore) -> None:
    limit, _ = await GatewayLimit.objects.aget_or_create(pk=1)
    limit.requests_per_minute = 77
    await limit.asave()

    async def arrived() -> bool:
        return store.gateway.limits.per_minute == 77

    assert await eventually(arrived)


async def test_an_emptied_redis_is_filled_from_postgres(
    store: PolicyStore, issued: IssuedKey, state_redis: "redis.Redis"
) -> None:
    state_redis.flushdb()
    assert await known(store, issued)()
    assert state_redis.exists(f"hp:policy:tenant:{issued.row.tenant_id}")


async def test_a_change_that_was_never_published_is_found_by_comparing(
    store: PolicyStore, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await known(store, issued)()
    monkeypatch.setattr("tenants.snapshots._write", lambda *_: None)
    await sync_to_async(key_revoke)(issued.row.public_id)
    assert await eventually(unknown(store, issued))


async def test_without_redis_keys_come_from_postgres_and_revocations_too(
    issued: IssuedKey, settings: Settings
) -> None:
    settings.REDIS_STATE_URL = "redis://127.0.0.1:1/0"
    store = PolicyStore(poll_seconds=0.05)
    await store.start()
    assert await known(store, issued)()
    await sync_to_async(key_revoke)(issued.row.public_id)
    assert await eventually(unknown(store, issued))
    await store.stop()


async def test_without_redis_and_postgres_an_unknown_key_is_neither_found_nor_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: str) -> int:
        raise OperationalError("down")

    settings.REDIS_STATE_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr("tenants.selectors.tenant_of_digest", down)
    store = PolicyStore()
    await store.start()
    with pytest.raises(PolicyUnavailable):
        await store.find_key("0" * 64)
    await store.stop()


async def test_a_postgres_that_never_answers_holds_no_caller(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, state_redis: "redis.Redis", issued: IssuedKey
) -> None:
    store = PolicyStore(compare_seconds=3600)
    await store.start()
    thaw = threading.Event()
    monkeypatch.setattr("tenants.snapshots._POSTGRES_SECONDS", 0.05)
    monkeypatch.setattr("tenants.selectors.tenant_of_digest", lambda _: thaw.wait(30) and None)
    asked = [store.find_key(f"{number:064d}") for number in range(20)]
    async with asyncio.timeout(20):
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(each) for each in found} == {PolicyUnavailable}
        assert await known(store, issued)(), "a key that the state Redis knows needs no Postgres"
    thaw.set()
    assert await eventually(unknown_digest(store, "0" * 64))
    await store.stop()


def unknown_digest(store: PolicyStore, digest: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        try:
            return await store.find_key(digest) is None
        except PolicyUnavailable:
            return False

    return check


def test_a_transaction_that_changes_much_publishes_each_policy_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = tenant_create("alice")
    published: list[int | None] = []
    monkeypatch.setattr(snapshots, "publish", published.append)
    with transaction.atomic():
        for label in ("first", "second", "third"):
            key_issue(tenant, label=label)
        GatewayLimit.objects.update_or_create(pk=1, defaults={"requests_per_minute": 5})
    assert sorted(published, key=str) == sorted([tenant.pk, None], key=str)


def test_what_is_rolled_back_keeps_nothing_from_being_published(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = tenant_create("alice")
    published: list[int | None] = []
    monkeypatch.setattr(snapshots, "publish", published.append)
    with transaction.atomic():
        with transaction.atomic():
            key_issue(tenant, label="first")
            transaction.set_rollback(True)
        key_issue(tenant, label="second")
    assert published == [tenant.pk]
