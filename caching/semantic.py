"""L2: answers by similarity of the question, in Postgres with pgvector."""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper
from psycopg import DataError, adapters, sql
from psycopg import Error as PsycopgError
from psycopg.errors import QueryCanceled
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from caching import answers, metrics
from caching.answers import BrokenAnswer, StoredAnswer
from caching.breaker import Breaker
from caching.decision import Neighbour
from caching.vectors import Vector
from tenants.database import DATABASE_ERRORS, Statement, TenantDatabase, within

log = logging.getLogger(__name__)

# Vectors travel as pgvector's binary, not as text. For connections that are made from now on.
adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)

_WRITE_SECONDS = 2.0

#: Scopes of up to this many entries are read whole; of larger ones the vector index is asked. Reading is exact and
#: costs 0.4 us of Postgres CPU an entry, out of an index that holds the vectors; the vector index costs 2 to 9 ms
#: among 100,000 entries, whatever the scope's size (`manage.py l2_growth`).
EXACT_UP_TO = 10_000

# The embedder and the dimension are literals: only so does a generic plan match this embedder's partial indexes.
# OFFSET 0 keeps the vector index out of the exact half. What stands under a tombstone is looked up before, by its
# row's id, so that a scope is still read out of its index alone. A vector of another dimension has no distance: it
# comes last, as one of length 0 does (NaN), instead of failing the search.
_NEAREST = sql.SQL("""
WITH size AS MATERIALIZED (
    SELECT count(*) AS entries FROM (
        SELECT 1 FROM caching_cacheentry
        WHERE tenant_id = %(tenant)s AND scope = %(scope)s AND embedder_id = {embedder}
        LIMIT {exact} + 1) AS first_entries
), refused AS MATERIALIZED (
    SELECT entry.id FROM caching_tombstone AS tombstone
    JOIN caching_cacheentry AS entry ON entry.tenant_id = %(tenant)s AND entry.embedder_id = {embedder}
        AND entry.fingerprint = tombstone.fingerprint
    WHERE tombstone.tenant_id = %(tenant)s AND tombstone.scope = %(scope)s AND tombstone.embedder_id = {embedder}
        AND CASE WHEN vector_dims(tombstone.vector) = {dimension} THEN
            1 - (tombstone.vector <=> %(vector)s::halfvec({dimension})) >= tombstone.least_similarity END
), buried AS MATERIALIZED (
    SELECT id FROM refused
    UNION ALL
    SELECT alias.id FROM refused JOIN caching_cacheentry AS alias
        ON alias.tenant_id = %(tenant)s AND alias.alias_of = refused.id AND alias.alias_of IS NOT NULL
), near AS MATERIALIZED (
    (SELECT id, distance FROM (
        SELECT id, CASE WHEN vector_dims(vector) = {dimension} THEN
            (vector::halfvec({dimension})) <=> %(vector)s::halfvec({dimension}) END AS distance
        FROM caching_cacheentry
        WHERE (SELECT entries FROM size) <= {exact}
            AND tenant_id = %(tenant)s AND scope = %(scope)s AND embedder_id = {embedder} AND expires_at > now()
            AND id NOT IN (SELECT id FROM buried)
        OFFSET 0) AS scoped
    ORDER BY distance LIMIT %(limit)s)
    UNION ALL
    (SELECT id, (vector::halfvec({dimension})) <=> %(vector)s::halfvec({dimension})
    FROM caching_cacheentry
    WHERE (SELECT entries FROM size) > {exact} AND vector_dims(vector) = {dimension}
        AND tenant_id = %(tenant)s AND scope = %(scope)s AND embedder_id = {embedder} AND expires_at > now()
        AND id NOT IN (SELECT id FROM buried)
    ORDER BY (vector::halfvec({dimension})) <=> %(vector)s::halfvec({dimension}) LIMIT %(limit)s)
)
SELECT entry.id, coalesce(entry.alias_of, entry.id), 1 - near.distance, entry.question, entry.complexity,
    entry.model, entry.answer::text
FROM near JOIN caching_cacheentry AS entry ON entry.tenant_id = %(tenant)s AND entry.id = near.id
""")
_SEARCH_SETTINGS = {
    # Without it the index's first candidates, of whatever tenant, would be all that is looked at.
    "hnsw.iterative_scan": "relaxed_order",
    # pgvector's default of 40 loses entries among thousands of alike questions; 100 found all that were tried.
    "hnsw.ef_search": "200",
    # One plan for all: how large a scope is, the statement finds out by itself; a plan made while the table was
    # young must not read all of it for long.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    # Where the vector index is asked, it shall not be replaced by sorting the scope.
    "enable_sort": "off",
}

# The aliases of an entry that gets a new answer follow it. Staff's own answer gives way to nobody's.
_ADD = """
WITH followers AS (
    UPDATE caching_cacheentry AS alias SET alias_of = %(id)s, answer = %(answer)s::jsonb, model = %(model)s,
        provider = %(provider)s, complexity = %(complexity)s, request_id = %(request)s, tags = %(tags)s,
        created_at = %(created)s, expires_at = %(expires)s
    FROM caching_cacheentry AS earlier
    WHERE earlier.tenant_id = %(tenant)s AND earlier.fingerprint = %(fingerprint)s
        AND earlier.embedder_id = %(embedder)s AND NOT earlier.pinned
        AND alias.tenant_id = %(tenant)s AND alias.alias_of = earlier.id
)
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
    expires_at = excluded.expires_at, alias_of = NULL, edited_at = NULL, edited_by = ''
WHERE NOT caching_cacheentry.pinned
RETURNING id
"""
# Of one scope only: an answer must not reach whom its scope keeps it from. An alias's answer names the entry.
_ATTACH = """
WITH target AS (
    SELECT * FROM caching_cacheentry
    WHERE tenant_id = %(tenant)s AND id = %(to)s AND scope = %(scope)s AND alias_of IS NULL
        AND NOT (fingerprint = %(fingerprint)s AND embedder_id = %(embedder)s)
), orphans AS (
    DELETE FROM caching_cacheentry AS alias USING target, caching_cacheentry AS earlier
    WHERE earlier.tenant_id = %(tenant)s AND earlier.fingerprint = %(fingerprint)s
        AND earlier.embedder_id = %(embedder)s AND NOT earlier.pinned
        AND alias.tenant_id = %(tenant)s AND alias.alias_of = earlier.id
)
INSERT INTO caching_cacheentry AS kept (tenant_id, id, fingerprint, scope, embedder_id, vector, question, answer,
    model, provider, complexity, key_public_id, request_id, tags, created_at, expires_at, alias_of, pinned,
    edited_at, edited_by)
SELECT tenant_id, %(id)s, %(fingerprint)s, scope, %(embedder)s, %(vector)s::halfvec, %(question)s, answer,
    model, provider, complexity, key_public_id, request_id, tags, created_at, expires_at, id, pinned,
    edited_at, edited_by
FROM target
ON CONFLICT (tenant_id, fingerprint, embedder_id) DO UPDATE SET
    id = excluded.id, vector = excluded.vector, question = excluded.question, answer = excluded.answer,
    model = excluded.model, provider = excluded.provider, complexity = excluded.complexity,
    key_public_id = excluded.key_public_id, request_id = excluded.request_id, tags = excluded.tags,
    created_at = excluded.created_at, expires_at = excluded.expires_at, alias_of = excluded.alias_of,
    pinned = excluded.pinned, edited_at = excluded.edited_at, edited_by = excluded.edited_by
WHERE NOT kept.pinned
RETURNING id
"""
_DROP = """
DELETE FROM caching_cacheentry WHERE tenant_id = %(tenant)s AND (id = %(id)s OR alias_of = %(id)s) RETURNING id
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
    """An answer with what it is found by; of an alias, only the answer's `entry` counts, as the row's own id."""

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
        """Return the tenant's unexpired entries of this scope and embedder, nearest first.

        An alias stands for its entry. Entries under a tombstone near the question are left out, and so are those
        whose vector or answer is broken: they are counted and forgotten.
        """

    async def add(self, tenant_id: int, entry: NewEntry) -> bool:
        """Keep the entry in place of an earlier one of the same fingerprint and embedder, whose aliases follow.

        Return False if a pinned entry stands there: it stays.
        """

    async def attach(self, tenant_id: int, entry: NewEntry, *, to: UUID) -> bool:
        """Make the question an alias of an entry of its scope: it shares that entry's answer and expiry.

        An earlier entry of the same fingerprint and embedder gives way, unless it is pinned. Return False, and
        change nothing, if there is no such entry or the question is the entry's own.
        """

    async def drop(self, tenant_id: int, entry_id: UUID) -> None:
        """Forget the entry, if there is one, and its aliases."""


class PostgresSemanticStore:
    """The semantic cache in Postgres, with a breaker: a dead server costs nothing after some failures."""

    def __init__(
        self,
        database: TenantDatabase,
        *,
        search_seconds: float | None = None,
        breaker: Breaker | None = None,
        exact_up_to: int = EXACT_UP_TO,
    ) -> None:
        """search_seconds: for one search, strictly; None: SEMANTIC_SEARCH_TIMEOUT_SECONDS.

        exact_up_to: entries of a scope that are read whole rather than looked for by the vector index.
        """
        self._database = database
        self._search_seconds = (
            settings.SEMANTIC_SEARCH_TIMEOUT_SECONDS if search_seconds is None else search_seconds
        )
        self._breaker = breaker or Breaker(failures_to_open=3, open_seconds=2.0)
        self._exact_up_to = exact_up_to
        self._dropping: set[asyncio.Task[None]] = set()

    async def nearest(
        self, tenant_id: int, scope: bytes, vector: Vector, *, limit: int = 2
    ) -> list[StoredNeighbour]:
        statement = _nearest(vector.dimension, vector.embedder_id, self._exact_up_to)
        values = {"vector": HalfVector(vector.values), "tenant": tenant_id, "scope": scope, "limit": limit}
        seconds = self._search_seconds
        rows = await self._ask(tenant_id, statement, values, seconds=seconds, local_settings=_SEARCH_SETTINGS)
        found = []
        for row, *columns in rows:
            try:
                found.append(_neighbour(columns))
            except BrokenAnswer as error:
                self._forget_broken(tenant_id, row, error)
        return sorted(found, key=lambda each: each.neighbour.similarity, reverse=True)

    async def add(self, tenant_id: int, entry: NewEntry) -> bool:
        kept = await self._ask(tenant_id, _ADD, _columns(tenant_id, entry), seconds=_WRITE_SECONDS)
        return bool(kept)

    async def attach(self, tenant_id: int, entry: NewEntry, *, to: UUID) -> bool:
        values = _columns(tenant_id, entry) | {"to": to}
        return bool(await self._ask(tenant_id, _ATTACH, values, seconds=_WRITE_SECONDS))

    async def drop(self, tenant_id: int, entry_id: UUID) -> None:
        await self._ask(tenant_id, _DROP, {"tenant": tenant_id, "id": entry_id}, seconds=_WRITE_SECONDS)

    def _forget_broken(self, tenant_id: int, row: UUID, error: BrokenAnswer) -> None:
        """Count the row and drop it in the background: the search has found what it has found."""
        metrics.BROKEN_VALUES.labels(layer="semantic").inc()
        log.warning("broken entry dropped", extra={"entry": str(row), "error": str(error)})
        task = asyncio.create_task(self._try_to_drop(tenant_id, row))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def _try_to_drop(self, tenant_id: int, row: UUID) -> None:
        try:
            await self.drop(tenant_id, row)
        except SemanticUnavailable as unavailable:
            # It is found, counted and tried again by the next search.
            log.info("broken entry not dropped", extra={"entry": str(row), "reason": unavailable.reason})

    async def _ask(
        self,
        tenant_id: int,
        statement: Statement,
        values: Mapping[str, Any],
        *,
        seconds: float,
        local_settings: Mapping[str, str] = MappingProxyType({}),
    ) -> list[TupleRow]:
        if not self._breaker.allows():
            raise SemanticUnavailable("breaker_open")
        asked = self._database.ask(
            tenant_id, statement, values, timeout_ms=int(1000 * seconds), local_settings=local_settings
        )
        try:
            rows = await within(seconds, asked)
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
        return rows


@lru_cache(maxsize=64)
def _nearest(dimension: int, embedder_id: str, exact_up_to: int) -> sql.Composed:
    return _NEAREST.format(
        dimension=sql.Literal(dimension), embedder=sql.Literal(embedder_id), exact=sql.Literal(exact_up_to)
    )


def _neighbour(columns: Sequence[Any]) -> StoredNeighbour:
    """Return the entry of a row's columns; raises BrokenAnswer if its answer or its vector is broken."""
    entry, similarity, question, complexity, model, answer = columns
    if similarity is None or math.isnan(similarity):
        raise BrokenAnswer("its vector is of another dimension or of length 0")
    stored = answers.load(answer.encode())
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
