import asyncio
from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from pgvector import HalfVector
from prometheus_client import REGISTRY
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import tenants.database
from caching import semantic
from caching.breaker import Breaker
from caching.semantic import PostgresSemanticStore, SemanticUnavailable
from tenants.database import TenantDatabase
from tests.caching_values import DIMENSION, EMBEDDER, direction, entry
from tests.contract.caching.test_semantic_store import _bury

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


class RoundTrips:
    """A way to Postgres that counts how often a client speaks again after it was answered."""

    def __init__(self, host: str, port: int) -> None:
        self.count = 0
        self._server_address = (host, port)
        self._answered = True
        self._passing: set[asyncio.Task[None] | None] = set()

    async def end(self) -> None:
        """Wait until the clients, which are closed by now, are let go of."""
        await asyncio.gather(*(task for task in self._passing if task))

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._passing.add(asyncio.current_task())
        server_reader, server_writer = await asyncio.open_connection(*self._server_address)
        await asyncio.gather(
            self._copy(reader, server_writer, asking=True), self._copy(server_reader, writer, asking=False)
        )

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        while data := await reader.read(65_536):
            self.count += asking and self._answered
            self._answered = not asking
            writer.write(data)
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def round_trips(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RoundTrips]:
    """Lets databases that are opened from now on be reached by the counting way."""
    address = conninfo_to_dict(tenants.database._owners_address())
    counting = RoundTrips(str(address["host"]), int(address["port"] or 5432))
    server = await asyncio.start_server(counting.pass_on, "127.0.0.1", 0)
    counted = address | {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
    monkeypatch.setattr(tenants.database, "_owners_address", lambda: make_conninfo(**counted))
    yield counting
    await counting.end()
    server.close()


@pytest.fixture
async def database() -> AsyncIterator[TenantDatabase]:
    made = TenantDatabase(wait_seconds=30)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def store(database: TenantDatabase) -> PostgresSemanticStore:
    return PostgresSemanticStore(database, search_seconds=5.0)


def _make_noise() -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOISE, [CHARLIE, SCOPE, EMBEDDER])


@pytest.mark.parametrize("exact_up_to", [0, 2], ids=["vector index", "vector index, as the scope is large"])
async def test_a_small_tenant_gets_its_rows_among_a_noisy_one(
    database: TenantDatabase, exact_up_to: int
) -> None:
    store = PostgresSemanticStore(database, search_seconds=20.0, exact_up_to=exact_up_to)
    await sync_to_async(_make_noise)()
    for number in range(3):
        await store.add(ALICE, entry(f"question {number}", direction(1.0, 0.6 + number / 10)))
    found = await store.nearest(ALICE, SCOPE, direction(1.0), limit=2)
    assert [each.neighbour.question for each in found] == ["question 0", "question 1"]


@pytest.mark.parametrize("exact_up_to", [0, 100], ids=["large scope", "small scope"])
async def test_a_scopes_size_decides_whether_the_vector_index_is_asked(
    database: TenantDatabase, exact_up_to: int
) -> None:
    await PostgresSemanticStore(database).add(ALICE, entry())
    search = semantic._nearest(DIMENSION, EMBEDDER, exact_up_to)
    values = {"vector": HalfVector(direction(1.0).values), "tenant": ALICE, "scope": SCOPE, "limit": 2}
    plan = await database.ask(
        ALICE, sql.SQL("EXPLAIN (ANALYZE) ") + search, values, local_settings=semantic._SEARCH_SETTINGS
    )
    by_vector = next(line for (line,) in plan if "Index Scan using caching_cacheentry_minilm " in line)
    assert ("never executed" in by_vector) == (exact_up_to > 0)


async def test_a_search_is_one_round_trip(round_trips: RoundTrips, database: TenantDatabase) -> None:
    store = PostgresSemanticStore(database, search_seconds=5.0)
    await store.add(ALICE, entry())
    await store.nearest(ALICE, SCOPE, direction(1.0))
    before = round_trips.count
    assert len(await store.nearest(ALICE, SCOPE, direction(1.0))) == 1
    assert round_trips.count - before == 1


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
    database = TenantDatabase(max_size=1, wait_seconds=1.0)
    await database.open()
    store = PostgresSemanticStore(database, breaker=Breaker(failures_to_open=1), search_seconds=20.0)
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

    with pytest.raises(SemanticUnavailable) as failure:
        await store._ask(ALICE, "SELECT pg_sleep(30)", {}, seconds=0.05)
    assert failure.value.reason == "timeout"


async def test_a_statement_that_is_refused_is_told_and_fails_no_call(
    database: TenantDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    statement = "SELECT missing FROM caching_cacheentry"
    with pytest.raises(SemanticUnavailable) as failure:
        await PostgresSemanticStore(database)._ask(ALICE, statement, {}, seconds=5.0)
    assert failure.value.reason == "database"
    assert "the semantic cache's statement is refused" in caplog.text


@sync_to_async
def _spoil(column: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE caching_cacheentry SET {column} WHERE tenant_id = %s", [value, ALICE])


def _broken() -> float:
    return REGISTRY.get_sample_value("halfpenny_cache_broken_values_total", {"layer": "semantic"}) or 0.0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("answer = %s::jsonb", '{"text": 5}', id="answer that fails its schema"),
        pytest.param("vector = %s::halfvec", "[1,0,0]", id="vector of another dimension"),
        pytest.param("vector = %s::halfvec", "[0,0,0,0]", id="vector of length 0"),
    ],
)
async def test_a_broken_entry_never_matches_and_is_counted_and_dropped(
    store: PostgresSemanticStore, database: TenantDatabase, column: str, value: str
) -> None:
    question = direction(1.0, embedder_id="of four", dimension=4)
    await store.add(ALICE, entry(vector=question))
    await _spoil(column, value)
    before = _broken()
    assert await store.nearest(ALICE, SCOPE, question) == []
    assert _broken() == before + 1
    await asyncio.gather(*store._dropping)
    async with database.of_tenant(ALICE) as session:
        rows = await (await session.execute("SELECT id FROM caching_cacheentry")).fetchall()
    assert rows == []


async def test_a_broken_vector_keeps_nobody_else_from_being_found(store: PostgresSemanticStore) -> None:
    question = direction(1.0, embedder_id="of four", dimension=4)
    await store.add(ALICE, entry("spoilt", question))
    await _spoil("vector = %s::halfvec", "[1,0,0]")
    await store.add(ALICE, entry("sound", question))
    found = await store.nearest(ALICE, SCOPE, question)
    assert [each.neighbour.question for each in found] == ["sound"]


async def test_a_large_scopes_tombstones_count_too(database: TenantDatabase) -> None:
    store = PostgresSemanticStore(database, search_seconds=20.0, exact_up_to=0)
    bad = entry("bad")
    for each in (bad, entry("other", direction(1.0, 0.2))):
        await store.add(ALICE, each)
    await _bury(ALICE, bad, direction(1.0), 0.9)
    found = await store.nearest(ALICE, SCOPE, direction(1.0))
    assert [each.neighbour.question for each in found] == ["other"]


async def test_tombstones_are_looked_up_once_and_not_for_each_row(database: TenantDatabase) -> None:
    search = semantic._nearest(DIMENSION, EMBEDDER, semantic.EXACT_UP_TO)
    values = {"vector": HalfVector(direction(1.0).values), "tenant": ALICE, "scope": SCOPE, "limit": 2}
    plan = await database.ask(
        ALICE, sql.SQL("EXPLAIN ") + search, values, local_settings=semantic._SEARCH_SETTINGS
    )
    assert any("hashed SubPlan" in line for (line,) in plan)
