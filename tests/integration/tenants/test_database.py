import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from psycopg import DataError, OperationalError
from psycopg.errors import QueryCanceled

from tenants.database import TenantDatabase
from tenants.models import ApiKey, Tenant


@pytest.mark.django_db(transaction=True)
async def test_the_web_role_sees_one_tenants_rows_even_without_a_filter() -> None:
    alice = await Tenant.objects.acreate(slug="alice")
    charlie = await Tenant.objects.acreate(slug="charlie")
    for tenant in (alice, charlie):
        await ApiKey.objects.acreate(tenant=tenant, public_id=tenant.slug, digest=tenant.slug, label="k")
    database = TenantDatabase(wait_seconds=30)
    await database.open()
    async with database.of_tenant(alice.pk) as session:
        rows = await (await session.execute("SELECT public_id FROM tenants_apikey")).fetchall()
    assert rows == [("alice",)]
    await database.close()


@pytest.mark.django_db(transaction=True)
async def test_a_pooled_connection_forgets_the_tenant_before_it() -> None:
    tenant = await Tenant.objects.acreate(slug="alice")
    database = TenantDatabase(max_size=1, wait_seconds=30)
    await database.open()
    async with database.of_tenant(tenant.pk) as session:
        await session.execute("SELECT 1")
    async with database._pool.connection() as session:
        rows = await (await session.execute("SELECT count(*) FROM tenants_tenant")).fetchall()
    assert rows == [(0,)]
    await database.close()


@pytest.mark.django_db(transaction=True)
async def test_a_single_statement_sees_one_tenants_rows_and_leaves_no_binding_behind() -> None:
    alice = await Tenant.objects.acreate(slug="alice")
    charlie = await Tenant.objects.acreate(slug="charlie")
    database = TenantDatabase(max_size=1, wait_seconds=30)
    await database.open()
    ask = "SELECT slug, current_setting('statement_timeout') FROM tenants_tenant WHERE slug <> %(no)s"
    assert await database.ask(alice.pk, ask, {"no": ""}, timeout_ms=4321) == [("alice", "4321ms")]
    async with database._pool.connection() as session:
        rows = await (await session.execute("SELECT count(*) FROM tenants_tenant")).fetchall()
        bound = await (await session.execute("SELECT current_setting('app.tenant', true)")).fetchall()
    assert (rows, bound) == ([(0,)], [("",)])
    assert await database.ask(charlie.pk, ask, {"no": ""}) == [("charlie", "1s")]
    await database.close()


@pytest.mark.django_db(transaction=True)
async def test_a_single_statement_that_fails_leaves_neither_change_nor_binding() -> None:
    alice = await Tenant.objects.acreate(slug="alice")
    database = TenantDatabase(max_size=1, wait_seconds=30)
    await database.open()
    with pytest.raises(DataError):
        await database.ask(alice.pk, "SELECT 1 / (length(%(text)s::text) - 1)", {"text": "x"})
    async with database._pool.connection() as session:
        rows = await (await session.execute("SELECT count(*) FROM tenants_tenant")).fetchall()
    assert rows == [(0,)]
    with pytest.raises(QueryCanceled):
        await database.ask(alice.pk, "SELECT pg_sleep(30)", {}, timeout_ms=50)
    assert await database.ask(alice.pk, "SELECT slug FROM tenants_tenant", {}) == [("alice",)]
    await database.close()


@pytest.mark.django_db
def test_the_owner_bypasses_the_policies() -> None:
    Tenant.objects.create(slug="alice")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenants_tenant")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
async def test_connections_that_died_with_the_server_are_dropped_at_the_first_error() -> None:
    tenant = await sync_to_async(Tenant.objects.create)(slug="alice")
    database = TenantDatabase(max_size=3, wait_seconds=30)
    await database.open()
    await asyncio.gather(*(hold(database, tenant.pk) for _ in range(3)))
    await sync_to_async(end_web_connections)()
    failures = 0
    for _ in range(3):
        try:
            await hold(database, tenant.pk)
        except OperationalError:
            failures += 1
        if database._checking:
            await database._checking
    assert failures == 1
    await database.close()


async def hold(database: TenantDatabase, tenant_id: int) -> None:
    async with database.of_tenant(tenant_id) as session:
        await session.execute("SELECT pg_sleep(0.1)")


def end_web_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'halfpenny-web'"
        )
