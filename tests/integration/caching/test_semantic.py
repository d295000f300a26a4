from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from caching.breaker import Breaker
from caching.semantic import PostgresSemanticStore, SemanticUnavailable
from tenants.database import TenantDatabase
from tests.caching_values import EMBEDDER, direction, entry

pytestmark = pytest.mark.django_db(transaction=True)

ALICE, CHARLIE = 1, 2
SCOPE = b"s" * 32

NOISE = """
INSERT INTO caching_cacheentry (tenant_id, id, fingerprint, scope, embedder_id, vector, question, answer, model,
    provider, complexity, key_public_id, request_id, expires_at)
SELECT %s, gen_random_uuid(), decode(lpad(to_hex(n), 64, '0'), 'hex'), %s, %s,
    (SELECT array_agg(CASE WHEN i = 1 THEN 30 ELSE random() - 0.5 + n * 0 END) FROM generate_series(1, 384) AS i
    )::real[]::halfvec, 'noise', '{}', 'm', 'p', 'simple', 'k',
    gen_random_uuid(), now() + interval '1 hour'
FROM generate_series(1, 1000) AS n
"""


class ByVectorIndex(TenantDatabase):
    """The planner has no way but the vector index, as in a table of millions of rows."""

    plan = ""

    @asynccontextmanager
    async def of_tenant(
        self, tenant_id: int, *, timeout_ms: int = 1000
    ) -> AsyncIterator[AsyncConnection[TupleRow]]:
        async with super().of_tenant(tenant_id, timeout_ms=timeout_ms) as session:
            for kind in ("sort", "seqscan", "bitmapscan"):
                await session.execute(f"SET LOCAL enable_{kind} = off")
            yield session


@pytest.fixture
async def database() -> AsyncIterator[TenantDatabase]:
    made = TenantDatabase()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def store(database: TenantDatabase) -> PostgresSemanticStore:
    return PostgresSemanticStore(database, search_seconds=5.0)


def _make_noise() -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOISE, [CHARLIE, SCOPE, EMBEDDER])


async def test_a_small_tenant_gets_its_rows_among_a_noisy_one() -> None:
    database = ByVectorIndex()
    await database.open()
    store = PostgresSemanticStore(database, search_seconds=20.0)
    await sync_to_async(_make_noise)()
    for number in range(3):
        await store.add(ALICE, entry(f"question {number}", direction(1.0, 0.6 + number / 10)))
    found = await store.nearest(ALICE, SCOPE, direction(1.0), limit=2)
    assert [each.neighbour.question for each in found] == ["question 0", "question 1"]
    await database.close()


async def test_the_search_can_use_the_embedders_vector_index(database: TenantDatabase) -> None:
    with_index = ByVectorIndex()
    await with_index.open()
    async with with_index.of_tenant(ALICE) as session:
        rows = await session.execute(
            "EXPLAIN SELECT id FROM caching_cacheentry WHERE embedder_id = 'all-MiniLM-L6-v2' "
            "ORDER BY (vector::halfvec(384)) <=> (%s)::halfvec(384) LIMIT 2",
            (str(direction(1.0).values.tolist()),),
        )
        assert "caching_cacheentry_minilm" in str(await rows.fetchall())
    await with_index.close()


async def test_without_the_tenant_filter_row_security_still_hides_other_tenants(
    store: PostgresSemanticStore, database: TenantDatabase
) -> None:
    await store.add(ALICE, entry("alice's"))
    await store.add(CHARLIE, entry("charlie's"))
    async with database.of_tenant(ALICE) as session:
        rows = await (await session.execute("SELECT question FROM caching_cacheentry")).fetchall()
    assert rows == [("alice's",)]


async def test_a_tenant_cannot_write_into_anothers_cache(database: TenantDatabase) -> None:
    store = PostgresSemanticStore(database)
    await store.add(CHARLIE, entry())
    async with database.of_tenant(ALICE) as session:
        changed = await session.execute("UPDATE caching_cacheentry SET question = 'mine'")
        assert changed.rowcount == 0


async def test_a_text_that_postgres_cannot_hold_is_invalid_and_trips_no_breaker(
    database: TenantDatabase,
) -> None:
    breaker = Breaker(failures_to_open=1)
    with pytest.raises(SemanticUnavailable) as failure:
        await PostgresSemanticStore(database, breaker=breaker).add(ALICE, entry("a\0b"))
    assert failure.value.reason == "invalid"
    assert breaker.state == "closed"


async def test_an_exhausted_pool_is_a_timeout_then_an_open_breaker() -> None:
    database = TenantDatabase(max_size=1, wait_seconds=0.1)
    await database.open()
    store = PostgresSemanticStore(database, breaker=Breaker(failures_to_open=1), search_seconds=1.0)
    async with database.of_tenant(ALICE):
        reasons = []
        for _ in range(2):
            with pytest.raises(SemanticUnavailable) as failure:
                await store.nearest(ALICE, SCOPE, direction(1.0))
            reasons.append(failure.value.reason)
    assert reasons == ["timeout", "breaker_open"]
    await database.close()


async def test_a_slow_search_is_given_up(database: TenantDatabase) -> None:
    store = PostgresSemanticStore(database, search_seconds=0.05)

    async def sleep(session: AsyncConnection[TupleRow]) -> None:
        await session.execute("SELECT pg_sleep(30)")

    with pytest.raises(SemanticUnavailable) as failure:
        await store._ask(ALICE, sleep, seconds=0.05)
    assert failure.value.reason == "timeout"


async def test_a_statement_that_is_refused_is_told_and_fails_no_call(
    database: TenantDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask(session: AsyncConnection[TupleRow]) -> None:
        await session.execute("SELECT missing FROM caching_cacheentry")

    with pytest.raises(SemanticUnavailable) as failure:
        await PostgresSemanticStore(database)._ask(ALICE, ask, seconds=5.0)
    assert failure.value.reason == "database"
    assert "the semantic cache's statement is refused" in caplog.text
