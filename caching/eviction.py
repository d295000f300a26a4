"""What goes when a tenant keeps more than its policy allows: the entries that are expected to save least per byte.

    worth of an entry = (what its hits saved in the last day + what a new one is hoped to save) x time it has left

What a new entry is hoped to save fades with its age. Pinned entries never go; the aliases of an entry go with it.
Every function may run twice at once.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection

log = logging.getLogger(__name__)

Item = TypeVar("Item")

BATCH = 1000
#: The time in which hits count as recent.
RECENT = timedelta(days=1)
#: Of an entry that nobody has asked for again, on its first day.
_HOPED_HITS = 0.5
#: A row without its texts and its vector.
_ROW_BYTES = 250

# The sizes of the columns themselves: that of the whole row would read back what is stored apart from it.
#: SQL of what an entry takes: its row as Postgres stores it, without indexes.
BYTES = f"(pg_column_size(question) + pg_column_size(answer) + pg_column_size(vector) + {_ROW_BYTES})"

_BEYOND_CAPS = f"""
SELECT kept.tenant_id
FROM (
    SELECT tenant_id, count(*) AS entries, sum({BYTES}) AS bytes FROM caching_cacheentry GROUP BY tenant_id
) AS kept
JOIN caching_cachepolicy AS policy ON policy.tenant_id = kept.tenant_id
WHERE kept.entries > policy.max_entries OR kept.bytes > policy.max_bytes
"""  # noqa: S608 (all parts are constants)

# The excess is counted in the same moment: a sweeper that comes second must not take as much once more.
_LEAST_WORTH = f"""
WITH excess AS (
    SELECT count(*) - max(policy.max_entries) AS entries, sum({BYTES}) - max(policy.max_bytes) AS bytes
    FROM caching_cacheentry AS entry JOIN caching_cachepolicy AS policy ON policy.tenant_id = entry.tenant_id
    WHERE entry.tenant_id = %(tenant)s
), entries AS (
    SELECT id, created_at, saved_nano, {BYTES} AS bytes,
        CASE jsonb_typeof(answer -> 'cost_nano') WHEN 'number' THEN (answer ->> 'cost_nano')::float8 ELSE 0 END
            AS cost_nano,
        greatest(0, extract(epoch FROM now() - created_at)) / %(recent_s)s AS age,
        least(1, greatest(0, extract(epoch FROM expires_at - now())) / %(recent_s)s) AS time_left
    FROM caching_cacheentry WHERE tenant_id = %(tenant)s AND NOT pinned
), ranked AS (
    SELECT id, row_number() OVER worth AS place, sum(bytes) OVER worth - bytes AS bytes_before
    FROM entries
    WINDOW worth AS (
        ORDER BY (saved_nano + cost_nano * %(hoped_hits)s * power(2, -least(age, 100))) * time_left / bytes,
            created_at, id
        ROWS UNBOUNDED PRECEDING)
)
SELECT id FROM ranked, excess WHERE place <= excess.entries OR bytes_before < excess.bytes ORDER BY place
"""  # noqa: S608 (all parts are constants)

_DELETE = """
DELETE FROM caching_cacheentry WHERE tenant_id = %(tenant)s AND (id = ANY(%(ids)s) OR alias_of = ANY(%(ids)s))
    AND NOT pinned
"""

# A row that has changed by less than a quarter is left alone: each new version of a row is written to the vector
# indexes too, unless its page has room for it.
_CHANGED = """
SELECT entry.id, coalesce(saved.nano, 0)
FROM caching_cacheentry AS entry
LEFT JOIN unnest(%(ids)s::uuid[], %(nano)s::bigint[]) AS saved (id, nano) ON saved.id = entry.id
WHERE entry.tenant_id = %(tenant)s AND abs(coalesce(saved.nano, 0) - entry.saved_nano) > entry.saved_nano / 4
ORDER BY entry.id
"""

_NOTE = """
UPDATE caching_cacheentry AS entry SET saved_nano = saved.nano
FROM unnest(%(ids)s::uuid[], %(nano)s::bigint[]) AS saved (id, nano)
WHERE entry.tenant_id = %(tenant)s AND entry.id = saved.id
"""


def evict(*, batch: int = BATCH) -> int:
    """Bring every tenant below the caps of its policy; return how many entries went."""
    with connection.cursor() as cursor:
        cursor.execute(_BEYOND_CAPS)
        tenants: list[int] = [row[0] for row in cursor.fetchall()]
    deleted = sum(_evict_of(tenant_id, batch) for tenant_id in tenants)
    if deleted:
        log.info("entries beyond the caps deleted", extra={"entries": deleted, "tenants": len(tenants)})
    return deleted


def note_savings(tenant_id: int, savings: Mapping[UUID, int], *, batch: int = BATCH) -> int:
    """Write down what each entry's hits saved lately, in nano-USD; return how many rows that has changed.

    savings: by entry; one that is missing has saved nothing.
    """
    values: dict[str, Any] = {"tenant": tenant_id, "ids": list(savings), "nano": list(savings.values())}
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, values)
        changed: list[tuple[UUID, int]] = cursor.fetchall()
        for some in _batches(changed, batch):
            ids, nano = ([row[column] for row in some] for column in (0, 1))
            cursor.execute(_NOTE, {"tenant": tenant_id, "ids": ids, "nano": nano})
    return len(changed)


def _evict_of(tenant_id: int, batch: int) -> int:
    values = {"tenant": tenant_id, "recent_s": RECENT.total_seconds(), "hoped_hits": _HOPED_HITS}
    deleted = 0
    with connection.cursor() as cursor:
        cursor.execute(_LEAST_WORTH, values)
        going: list[UUID] = [row[0] for row in cursor.fetchall()]
        for some in _batches(going, batch):
            cursor.execute(_DELETE, {"tenant": tenant_id, "ids": list(some)})
            deleted += cursor.rowcount
    return deleted


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
