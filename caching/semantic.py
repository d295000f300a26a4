"""L2: answers by similarity of the question, in Postgres with pgvector."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.conf import settings
from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper
from psycopg import AsyncConnection, DataError, sql
from psycopg import Error as PsycopgError
from psycopg.errors import QueryCanceled
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from caching import answers, metrics
from caching.answers import BrokenAnswer, StoredAnswer
from caching.breaker import Breaker
from caching.decision import Neighbour
from caching.vectors import Vector
from tenants.database import DATABASE_ERRORS, TenantDatabase, within

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_WRITE_SECONDS = 2.0

# The embedder and the dimension are literals: the planner matches the partial index of this embedder only so.
_NEAREST = sql.SQL("""
SELECT id, 1 - ((vector::halfvec({dimension})) <=> %(vector)s::halfvec({dimension})),
       question, complexity, model, answer::text
FROM caching_cacheentry
WHERE tenant_id = %(tenant)s AND scope = %(scope)s AND embedder_id = {embedder} AND expires_at > now()
ORDER BY (vector::halfvec({dimension})) <=> %(vector)s::halfvec({dimension})
LIMIT %(limit)s
""")

_ADD = """
INSERT INTO caching_cacheentry (tenant_id, id, fingerprint, scope, embedder_id, vector, question, answer,
    model, provider, complexity, key_public_id, request_id, tags, created_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(fingerprint)s, %(scope)s, %(embedder)s, %(vector)s::halfvec, %(question)s,
    %(answer)s::jsonb, %(model)s, %(provider)s, %(complexity)s, %(key)s, %(request)s, %(tags)s, %(created)s,
    %(expires)s)
ON CONFLICT (tenant_id, fingerprint, embedder_id) DO UPDATE SET
    id = excluded.id, scope = excluded.scope, vector = excluded.vector, question = excluded.question,
    answer = excluded.answer, model = excluded.model, provider = excluded.provider,
    complexity = excluded.complexity, key_public_id = excluded.key_public_id,
    request_id = excluded.request_id, tags = excluded.tags, created_at = excluded.created_at,
    expires_at = excluded.expires_at
"""


class SemanticUnavailable(Exception):
    """The semantic cache could not be asked.

    `reason`: `timeout`, `database`, `breaker_open`, or `invalid` (Postgres can't hold this text).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredNeighbour:
    """An entry near the question, and the answer it holds."""

    neighbour: Neighbour
    answer: StoredAnswer


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEntry:
    """An answer with what it is found by."""

    fingerprint: bytes
    scope: bytes
    vector: Vector
    question: str
    answer: StoredAnswer


class SemanticStore(Protocol):
    """Answers by similarity. Every method raises SemanticUnavailable."""

    async def nearest(
        self, tenant_id: int, scope: bytes, vector: Vector, *, limit: int = 2
    ) -> list[StoredNeighbour]:
        """Return the tenant's unexpired entries of this scope and embedder, nearest first."""

    async def add(self, tenant_id: int, entry: NewEntry) -> None:
        """Keep the entry in place of an earlier one of the same fingerprint and embedder."""

    async def drop(self, tenant_id: int, entry_id: UUID) -> None:
        """Forget the entry, if there is one."""


class PostgresSemanticStore:
    """The semantic cache in Postgres, with a breaker: a dead server costs nothing after some failures."""

    def __init__(
        self,
        database: TenantDatabase,
        *,
        search_seconds: float | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        """search_seconds: for one search, strictly; None: SEMANTIC_SEARCH_TIMEOUT_SECONDS."""
        self._database = database
        self._search_seconds = (
            settings.SEMANTIC_SEARCH_TIMEOUT_SECONDS if search_seconds is None else search_seconds
        )
        self._breaker = breaker or Breaker(failures_to_open=3, open_seconds=2.0)

    async def nearest(
        self, tenant_id: int, scope: bytes, vector: Vector, *, limit: int = 2
    ) -> list[StoredNeighbour]:
        query = _NEAREST.format(
            dimension=sql.Literal(vector.dimension), embedder=sql.Literal(vector.embedder_id)
        )
        values = {
            "vector": HalfVector(vector.values),
            "tenant": tenant_id,
            "scope": scope,
            "limit": limit,
        }

        async def search(connection: AsyncConnection[TupleRow]) -> list[TupleRow]:
            # Without the first the index's candidates, all of a larger tenant, would be all that is looked at;
            # with pgvector's default of 40 for the second, 49 of 166 stored questions did not find themselves
            # among 2,400 alike ones (100: 13, 200: 2, 400: none; measured).
            await connection.execute(
                "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),"
                " set_config('hnsw.ef_search', '400', true)"
            )
            return await (await connection.execute(query, values, prepare=False)).fetchall()

        rows = await self._ask(tenant_id, search, seconds=self._search_seconds)
        found = [neighbour for row in rows if (neighbour := _neighbour(row))]
        return sorted(found, key=lambda each: each.neighbour.similarity, reverse=True)

    async def add(self, tenant_id: int, entry: NewEntry) -> None:
        values = _columns(tenant_id, entry)

        async def insert(connection: AsyncConnection[TupleRow]) -> None:
            await connection.execute(_ADD, values)

        await self._ask(tenant_id, insert, seconds=_WRITE_SECONDS)

    async def drop(self, tenant_id: int, entry_id: UUID) -> None:
        async def delete(connection: AsyncConnection[TupleRow]) -> None:
            await connection.execute(
                "DELETE FROM caching_cacheentry WHERE tenant_id = %s AND id = %s", (tenant_id, entry_id)
            )

        await self._ask(tenant_id, delete, seconds=_WRITE_SECONDS)

    async def _ask(
        self,
        tenant_id: int,
        work: Callable[[AsyncConnection[TupleRow]], Coroutine[Any, Any, Result]],
        *,
        seconds: float,
    ) -> Result:
        if not self._breaker.allows():
            raise SemanticUnavailable("breaker_open")
        try:
            result = await within(seconds, self._in_transaction(tenant_id, work, seconds))
        except DataError:
            self._breaker.succeeded()
            raise SemanticUnavailable("invalid") from None
        except (TimeoutError, QueryCanceled, PoolTimeout):
            self._breaker.failed()
            raise SemanticUnavailable("timeout") from None
        except PsycopgError as error:
            self._breaker.failed()
            if not isinstance(error, DATABASE_ERRORS):
                # No outage but a schema or rights that don't fit: calls go on, and somebody must look.
                log.exception("the semantic cache's statement is refused")
            raise SemanticUnavailable("database") from error
        self._breaker.succeeded()
        return result

    async def _in_transaction(
        self,
        tenant_id: int,
        work: Callable[[AsyncConnection[TupleRow]], Coroutine[Any, Any, Result]],
        seconds: float,
    ) -> Result:
        async with self._database.of_tenant(tenant_id, timeout_ms=int(1000 * seconds)) as connection:
            connection.adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)
            return await work(connection)


def _neighbour(row: TupleRow) -> StoredNeighbour | None:
    """Return the row's entry, or None if its answer is broken."""
    entry, similarity, question, complexity, model, answer = row
    try:
        stored = answers.load(answer.encode())
    except BrokenAnswer as error:
        metrics.BROKEN_VALUES.labels(layer="semantic").inc()
        log.warning("broken entry passed over", extra={"entry": str(entry), "error": str(error)})
        return None
    neighbour = Neighbour(
        entry=entry, similarity=similarity, question=question, complexity=complexity, model=model
    )
    return StoredNeighbour(neighbour=neighbour, answer=stored)


def _columns(tenant_id: int, entry: NewEntry) -> dict[str, Any]:
    answer = entry.answer
    return {
        "tenant": tenant_id,
        "id": answer.entry,
        "fingerprint": entry.fingerprint,
        "scope": entry.scope,
        "embedder": entry.vector.embedder_id,
        "vector": HalfVector(entry.vector.values),
        "question": entry.question,
        "answer": answers.dump(answer).decode(),
        "model": answer.model,
        "provider": answer.provider,
        "complexity": answer.complexity,
        "key": answer.key_public_id,
        "request": answer.request_id,
        "tags": list(answer.tags),
        "created": _moment(answer.created_at),
        "expires": _moment(answer.expires_at),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
