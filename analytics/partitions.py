"""The day partitions of the records: made ahead, dropped whole when they are older than the retention."""

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from analytics.owner import Connection

log = logging.getLogger(__name__)

_RECORDS = "analytics_requestrecord"
# Serializes makers and droppers; the number only has to differ from other advisory locks of the project.
_LOCK = 7_251_001


def today() -> date:
    """The current day in UTC, the zone of all partitions."""
    return datetime.now(UTC).date()


def oldest_day(retention_days: int) -> date:
    """The first day whose records are still kept."""
    return today() - timedelta(days=retention_days)


def coming_days(days: int) -> list[date]:
    """Today and as many days after it."""
    return [today() + timedelta(days=offset) for offset in range(days + 1)]


def existing_days(connection: Connection) -> set[date]:
    """Return the days that have a partition."""
    rows = connection.execute(
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
        "WHERE inhparent = %s::regclass",
        (_RECORDS,),
    ).fetchall()
    return {datetime.strptime(name.rpartition("_")[2], "%Y%m%d").date() for (name,) in rows}


def ensure_partitions(connection: Connection, days: Iterable[date]) -> list[date]:
    """Make the partitions that are missing and return their days. Raises psycopg.Error (a lock not had)."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        missing = sorted(set(days) - existing_days(connection))
        for day in missing:
            _make(connection, day)
    return missing


def drop_old(connection: Connection, retention_days: int) -> list[date]:
    """Drop the partitions of days older than the retention and return the days. Raises psycopg.Error.

    A day with hours that still have to be rolled up stays, so that no sum loses rows.
    """
    dropped = []
    for day in sorted(existing_days(connection)):
        if day < oldest_day(retention_days) and _drop(connection, day):
            dropped.append(day)
    return dropped


def _make(connection: Connection, day: date) -> None:
    # Attaching, unlike CREATE ... PARTITION OF, does not lock out the readers of the other days.
    names = {"child": _name(day), "parent": sql.Identifier(_RECORDS)}
    bounds = {"start": sql.Literal(_start(day)), "end": sql.Literal(_start(day + timedelta(days=1)))}
    connection.execute(sql.SQL("CREATE TABLE {child} (LIKE {parent} INCLUDING DEFAULTS)").format(**names))
    connection.execute(
        sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({start}) TO ({end})").format(
            **names, **bounds
        )
    )


def _drop(connection: Connection, day: date) -> bool:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        dirty = connection.execute(
            "SELECT 1 FROM analytics_dirty_hour WHERE hour >= %s AND hour < %s LIMIT 1",
            (_start(day), _start(day + timedelta(days=1))),
        ).fetchone()
        if dirty:
            log.warning("partition not dropped: hours of it wait to be rolled up", extra={"day": str(day)})
            return False
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_name(day)))
    return True


def _name(day: date) -> sql.Identifier:
    return sql.Identifier(f"{_RECORDS}_{day:%Y%m%d}")


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
