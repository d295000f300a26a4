"""The data plane's way to Postgres: a small async pool as the web role, one tenant at a time.

Django's ORM is not used on the request path; pages and commands use it as the owner of the tables.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import cache
from types import MappingProxyType
from typing import Any, LiteralString, TypeVar

from django.conf import settings
from django.db import connections
from psycopg import AsyncConnection, OperationalError, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

log = logging.getLogger(__name__)
Result = TypeVar("Result")

#: What a caller catches when Postgres is down, slow or exhausted.
DATABASE_ERRORS = (OperationalError, PoolTimeout)

Statement = LiteralString | sql.SQL | sql.Composed

_CONNECT_SECONDS = 2


class TenantDatabase:
    """A pool of connections whose every transaction sees the rows of one tenant only."""

    def __init__(self, *, max_size: int = 4, wait_seconds: float = 0.5) -> None:
        """Take the addresses from the settings. `wait_seconds`: longest wait for a free connection."""
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            settings.DATABASE_WEB_URL or _owners_address(),
            min_size=0,
            max_size=max_size,
            timeout=wait_seconds,
            open=False,
            configure=_take_web_role,
            reconnect_timeout=0,
            kwargs={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "halfpenny-web",
                # Transactions are begun and ended here, never by the driver behind somebody's back.
                "autocommit": True,
            },
        )

        self._checking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        if self._checking is not None:
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._pool.close()

    @asynccontextmanager
    async def of_tenant(
        self, tenant_id: int, *, timeout_ms: int = 1000
    ) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Give a connection inside a transaction that is bound to the tenant and to a statement timeout.

        Raises one of DATABASE_ERRORS. The binding ends with the transaction, so that the pool never carries
        one tenant's setting to the next.
        """
        try:
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(
                    "SELECT set_config('app.tenant', %s, true), set_config('statement_timeout', %s, true)",
                    (str(tenant_id), str(timeout_ms)),
                )
                yield connection
        except OperationalError:
            self._drop_dead_connections()
            raise

    async def ask(
        self,
        tenant_id: int,
        statement: Statement,
        values: Mapping[str, Any],
        *,
        timeout_ms: int = 1000,
        local_settings: Mapping[str, str] = MappingProxyType({}),
    ) -> list[TupleRow]:
        """Return the rows of one statement, which must return some, in one round trip.

        The binding to the tenant, the timeout and the settings travel ahead of the statement. What lies between
        two syncs of a pipeline is one transaction: it ends with the statement, and the binding with it. Without
        its binding a statement would see no row at all. Raises one of DATABASE_ERRORS.
        """
        bound = {"app.tenant": str(tenant_id), "statement_timeout": str(timeout_ms), **local_settings}
        try:
            async with self._pool.connection() as connection:
                async with connection.pipeline():
                    await connection.execute(
                        _bind(len(bound)), [each for pair in bound.items() for each in pair]
                    )
                    cursor = await connection.execute(statement, values, prepare=True)
                # Fetched now, since fetching within the pipeline would be a round trip of its own.
                return await cursor.fetchall()
        except OperationalError:
            self._drop_dead_connections()
            raise

    def _drop_dead_connections(self) -> None:
        """Look through the idle connections in the background: a server that went took all of them along."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._pool.check(), name="database check")


@cache
def _bind(count: int) -> sql.Composed:
    """Return the statement that makes this many settings for the transaction."""
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join([sql.SQL("set_config(%s, %s, true)")] * count))


_abandoned: set[asyncio.Task[Any]] = set()


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of work on a database in time, or raise TimeoutError.

    A cancelled query of a frozen server lasts for seconds more; it ends with nobody waiting for it.
    """
    task = asyncio.create_task(work)
    _abandoned.add(task)
    task.add_done_callback(_forget)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise TimeoutError
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.debug("database work ended", extra={"error": type(error).__name__})


def _owners_address() -> str:
    """Return the address that Django itself uses (in a test run: that of the test database)."""
    fields = connections["default"].settings_dict
    return make_conninfo(
        dbname=fields["NAME"],
        user=fields["USER"],
        password=fields["PASSWORD"],
        host=fields["HOST"],
        port=fields["PORT"],
    )


async def _take_web_role(connection: AsyncConnection[TupleRow]) -> None:
    """Leave the owner's rights behind, unless the URL signs in as the web role already."""
    if not settings.DATABASE_WEB_URL:
        await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(settings.DATABASE_WEB_ROLE)))
    await connection.commit()
