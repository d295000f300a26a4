"""Hourly rollups: sums of records by tenant, hour, key, model, cache status and rule.

Ingest marks an hour dirty in the transaction of its rows. A rollup deletes the mark first (which waits for a
transaction that is adding rows under it), then computes the whole hour anew. A late row marks its hour again.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from analytics.latency import BIN_SQL
from analytics.models import LATENCY_BINS
from analytics.owner import Connection
from analytics.sums import MEASURES, MEASURES_SQL

log = logging.getLogger(__name__)

_BY = "key_public_id, model, cache_status, rule"
_INSERT = f"""
INSERT INTO analytics_hourlyrollup (tenant_id, hour, {_BY}, {", ".join(MEASURES)}, latency_bins)
SELECT %(tenant)s, %(hour)s, {_BY}, {", ".join(MEASURES)}, (
    SELECT array_agg(coalesce(c.calls, 0)::integer ORDER BY bin)
    FROM generate_series(0, {LATENCY_BINS - 1}) AS bin LEFT JOIN unnest(bins, calls) AS c (bin, calls) USING (bin)
) FROM (
    SELECT {_BY}, {", ".join(f"sum({name}) AS {name}" for name in MEASURES)},
        array_agg(bin) AS bins, array_agg(requests) AS calls
    FROM (
        SELECT {_BY}, {BIN_SQL} AS bin, {MEASURES_SQL} FROM analytics_requestrecord
        WHERE tenant_id = %(tenant)s AND started_at >= %(hour)s AND started_at < %(hour)s + interval '1 hour'
        GROUP BY {_BY}, bin
    ) AS binned GROUP BY {_BY}
) AS summed
"""  # noqa: S608 (all parts are constants)

_CLEAR = "DELETE FROM analytics_dirty_hour WHERE tenant_id = %(tenant)s AND hour = %(hour)s RETURNING 1"
_DELETE = "DELETE FROM analytics_hourlyrollup WHERE tenant_id = %(tenant)s AND hour = %(hour)s"
_DUE = "SELECT tenant_id, hour FROM analytics_dirty_hour WHERE hour + interval '1 hour' <= %s ORDER BY 2, 1"
# Hours whose partition is gone have only their rollup left, so they are never marked.
_MARK = """
INSERT INTO analytics_dirty_hour (tenant_id, hour)
SELECT DISTINCT tenant_id, date_trunc('hour', started_at, 'UTC') FROM analytics_requestrecord
WHERE started_at >= %(since)s AND started_at < %(until)s
ORDER BY 1, 2
ON CONFLICT (tenant_id, hour) DO UPDATE SET hour = excluded.hour
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """Hours of tenants that were computed anew, and those left for the next time (a lock not had)."""

    hours: int
    left: int


def roll_up(connection: Connection, *, now: datetime | None = None) -> Done:
    """Compute every dirty hour that has ended. Two runs at once are safe: each hour is done by one of them."""
    due = connection.execute(_DUE, (now or datetime.now(UTC),)).fetchall()
    done = left = 0
    for tenant_id, hour in due:
        try:
            done += _roll_up_hour(connection, tenant_id, hour)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            left += 1
            log.warning("rollup left for later", extra={"tenant_id": tenant_id, "hour": hour.isoformat()})
    return Done(hours=done, left=left)


def mark_dirty(connection: Connection, since: datetime, until: datetime) -> None:
    """Mark all hours with records in the range, so that the next rollup computes them anew."""
    connection.execute(_MARK, {"since": since, "until": until})


def _roll_up_hour(connection: Connection, tenant_id: int, hour: datetime) -> int:
    values = {"tenant": tenant_id, "hour": hour}
    with connection.transaction():
        if connection.execute(_CLEAR, values).fetchone() is None:
            return 0
        connection.execute(_DELETE, values)
        connection.execute(_INSERT, values)
    return 1
