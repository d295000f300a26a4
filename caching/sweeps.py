"""Housekeeping of the entries in Postgres, as the owner of the tables. Every function may run twice at once."""

import hashlib
import logging
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

log = logging.getLogger(__name__)

BATCH = 1000
#: pgvector's largest dimension of an indexed halfvec; entries of larger ones are found without an index.
_MAX_INDEXED_DIMENSION = 4000
#: Two bytes a dimension and some 120 for the rest must fit into an index row of 2,704.
_MAX_SCOPED_DIMENSION = 1_200
_INDEX_LOCK = 7_240_001

# SKIP LOCKED: two sweepers share the work instead of waiting for each other.
_DELETE_EXPIRED = """
DELETE FROM caching_cacheentry WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM caching_cacheentry WHERE expires_at <= now() AND NOT pinned
    ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""

# Figures are told of the last month, budgets of the running one.
_BLANK_TEXTS = """
UPDATE caching_judgedpair SET question = '', stored_question = '' WHERE id IN (
    SELECT id FROM caching_judgedpair WHERE texts_until <= now() AND question <> ''
    LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_DELETE_JUDGED = """
DELETE FROM caching_judgedpair WHERE id IN (
    SELECT id FROM caching_judgedpair WHERE created_at < now() - interval '100 days'
    LIMIT %s FOR UPDATE SKIP LOCKED)
"""
# What is kept for ever must be kept from the same questions for ever.
_DELETE_TOMBSTONES = """
DELETE FROM caching_tombstone WHERE id IN (
    SELECT tombstone.id FROM caching_tombstone AS tombstone
    WHERE tombstone.created_at < now() - interval '100 days' AND NOT EXISTS (
        SELECT 1 FROM caching_cacheentry AS entry WHERE entry.tenant_id = tombstone.tenant_id
            AND entry.fingerprint = tombstone.fingerprint AND entry.pinned)
    LIMIT %s FOR UPDATE SKIP LOCKED)
"""

_EMBEDDERS = "SELECT embedder_id, min(vector_dims(vector)) FROM caching_cacheentry GROUP BY embedder_id"

_VALID_INDEX = """
SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
WHERE indrelid = 'caching_cacheentry'::regclass AND indisvalid AND amname = %s
    AND pg_get_expr(indpred, indrelid) LIKE '%%' || quote_literal(%s) || '%%'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """A kind of index that each embedder has one of, on its own entries only."""

    prefix: str
    method: str
    max_dimension: int
    columns: sql.SQL

    def name_for(self, embedder_id: str) -> sql.Identifier:
        return sql.Identifier(self.prefix + hashlib.sha256(embedder_id.encode()).hexdigest()[:12])


_KINDS = (
    _Kind(
        prefix="caching_cacheentry_v_",
        method="hnsw",
        max_dimension=_MAX_INDEXED_DIMENSION,
        columns=sql.SQL("((vector::halfvec({dimension})) halfvec_cosine_ops)"),
    ),
    _Kind(
        prefix="caching_cacheentry_s_",
        method="btree",
        max_dimension=_MAX_SCOPED_DIMENSION,
        columns=sql.SQL("(tenant_id, scope) INCLUDE (id, expires_at, vector)"),
    ),
)


def delete_expired(*, batch: int = BATCH) -> int:
    """Delete the entries that are past their expiry, a batch a transaction; return how many."""
    deleted = 0
    while (count := _execute(_DELETE_EXPIRED, [batch])) > 0:
        deleted += count
    if deleted:
        log.info("expired entries deleted", extra={"entries": deleted})
    return deleted


def forget_judged(*, batch: int = BATCH) -> int:
    """Blank judged texts whose time is over, delete pairs and tombstones of long ago; return how many."""
    changed = 0
    for statement in (_BLANK_TEXTS, _DELETE_JUDGED, _DELETE_TOMBSTONES):
        while (count := _execute(statement, [batch])) > 0:
            changed += count
    if changed:
        log.info("judged pairs forgotten", extra={"pairs": changed})
    return changed


def ensure_vector_indexes() -> list[str]:
    """Give every embedder that has entries its own indexes; return the embedders that got any.

    Built CONCURRENTLY: call it outside of a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_EMBEDDERS)
        embedders: list[tuple[str, int]] = cursor.fetchall()
    return [embedder_id for embedder_id, dimension in embedders if _build_indexes(embedder_id, dimension)]


def drop_indexes(embedder_id: str) -> None:
    """Drop the embedder's own indexes; its entries are found without. Call it outside of a transaction."""
    with connection.cursor() as cursor:
        for kind in _KINDS:
            cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(kind.name_for(embedder_id)))


def _execute(statement: str, values: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _build_indexes(embedder_id: str, dimension: int) -> bool:
    """Build what the embedder lacks; return whether anything was built."""
    fitting = [kind for kind in _KINDS if dimension <= kind.max_dimension]
    built = [_build_index(kind, embedder_id, dimension) for kind in fitting]
    return any(built)


def _build_index(kind: _Kind, embedder_id: str, dimension: int) -> bool:
    """Build the index unless it is there or another process builds one; return whether it was."""
    name = kind.name_for(embedder_id)
    build = sql.SQL(
        "CREATE INDEX CONCURRENTLY {name} ON caching_cacheentry "
        "USING {method} {columns} WHERE embedder_id = {embedder}"
    ).format(
        name=name,
        method=sql.Identifier(kind.method),
        columns=kind.columns.format(dimension=sql.Literal(dimension)),
        embedder=sql.Literal(embedder_id),
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_INDEX_LOCK])
        if not cursor.fetchone()[0]:
            return False
        try:
            cursor.execute(_VALID_INDEX, [kind.method, embedder_id])
            if cursor.fetchone():
                return False
            # A build that was cut off leaves an invalid index of this name.
            cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name))
            cursor.execute(build)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_INDEX_LOCK])
    log.info("index built", extra={"embedder": embedder_id, "dimension": dimension, "method": kind.method})
    return True
