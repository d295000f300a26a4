"""From the record stream to Postgres: every record exactly once.

1. Read a batch of entries as a member of the consumer group (or take over what a dead member left). Each entry
   holds the lines of many records.
2. In one transaction insert their rows, skipping those that are there already, and mark their hours dirty.
3. Only after the commit acknowledge and delete the entries; lines that can't be rows are put away by the same
   transaction of Redis.

Killed anywhere in between, the batch is read again and step 2 skips what the first time did.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg
import redis
from django.conf import settings
from psycopg import sql
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from analytics.owner import Connection, connect_as_owner
from analytics.partitions import ensure_partitions, oldest_day
from analytics.rows import COLUMNS, Refused, Row, row_of, started_at
from analytics.wire import FIELD, STREAM, lines_of

log = logging.getLogger(__name__)

GROUP = "ingest"
#: Records that can't become rows, an entry each, with the reason; kept until somebody looks
#: (`ingest --revive-dead`).
DEAD = "hp:records:dead"

#: Entries of one answer of Redis, so that it holds nobody else up by a large one, and the records at which a
#: batch is large enough: entries are small while little goes on.
_ENTRIES = 16
_RECORDS = 1000
_SAMPLE = 20
_REVIVED = 1000
_BLOCK_MS = 200
_REDIS_SECONDS = 2.0
_CLAIM_EVERY_SECONDS = 1.0
_MOST_DELIVERIES = 5
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

_COLUMN_LIST = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
# With defaults, for the columns that a migration of the next release adds while this one still runs.
_STAGING = (
    "CREATE TEMP TABLE incoming (LIKE analytics_requestrecord INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
)
_COPY = sql.SQL("COPY incoming ({}) FROM STDIN").format(_COLUMN_LIST)
# Both inserts go in key order, so that two processes with the same rows can't deadlock. The mark is updated
# rather than left alone: that locks it, and a rollup which is about to clear it waits for these rows.
_INSERT = sql.SQL(
    """
    WITH fresh AS (
        INSERT INTO analytics_requestrecord ({columns})
        SELECT {columns} FROM incoming ORDER BY tenant_id, started_at, id
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, started_at
    ), marked AS (
        INSERT INTO analytics_dirty_hour (tenant_id, hour)
        SELECT DISTINCT tenant_id, date_trunc('hour', started_at, 'UTC') FROM fresh ORDER BY 1, 2
        ON CONFLICT (tenant_id, hour) DO UPDATE SET hour = excluded.hour
    )
    SELECT tenant_id, count(*) FROM fresh GROUP BY tenant_id
    """
).format(columns=_COLUMN_LIST)


class Stopped(Exception):
    """Asked to stop while Postgres could not be written; the batch stays pending for the next process."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the stream."""

    id: bytes
    fields: dict[bytes, bytes]

    def lines(self) -> list[bytes]:
        """Return the records' lines; none if the entry is none of ours."""
        value = self.fields.get(FIELD)
        return [] if value is None else lines_of(value)


class Good(NamedTuple):
    """A line that is a row."""

    entry: Entry
    line: bytes
    row: Row


class Bad(NamedTuple):
    """What can't be a row: the line (as the field of an entry of its own) or an entry that has none."""

    entry: Entry
    fields: dict[bytes, bytes]
    reason: str


@dataclass
class Counts:
    """The records that one process was done with so far."""

    inserted: int = 0
    skipped: int = 0
    dead: int = 0


class Ingest:
    """One member of the consumer group; `run` works until `stop` is called from anywhere."""

    def __init__(
        self,
        *,
        on_rows: Callable[[Collection[int]], None] = lambda tenant_ids: None,
        claim_idle_ms: int = 5000,
    ) -> None:
        """on_rows: told the tenants that got new rows, after the commit; must not raise.
        claim_idle_ms: after this time an entry that another member read is taken over.
        """
        self.counts = Counts()
        self._on_rows = on_rows
        self._claim_idle_ms = claim_idle_ms
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._stopping = threading.Event()
        self._claim_at = 0.0
        self._days: set[date] = set()
        self._connection: Connection | None = None
        self._redis: Any = redis.Redis.from_url(
            settings.REDIS_STATE_URL,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def stop(self) -> None:
        """Make `run` return after the batch in hand."""
        self._stopping.set()

    def run(self) -> None:
        """Move entries to Postgres until stopped; outages of Redis and Postgres are waited out."""
        failures = 0
        while not self._stopping.is_set():
            try:
                self.step()
                failures = 0
            except Stopped:
                break
            except RedisError as error:
                log.warning("state Redis not available", extra={"error": str(error)[:200]})
                self._mend_group(error)
                self._stopping.wait(_pause(failures))
                failures += 1
        self.close()

    def step(self, *, block_ms: int = _BLOCK_MS) -> int:
        """Take and settle one batch; return the number of its entries. Raises RedisError and Stopped."""
        batch = self._take_over() if time.monotonic() >= self._claim_at else []
        batch = batch or self._read(block_ms)
        if batch:
            self._settle(batch)
        return len(batch)

    def close(self) -> None:
        """Leave the group (unless entries are pending, which keeps them to be taken over) and disconnect."""
        try:
            if not self._redis.xpending_range(STREAM, GROUP, "-", "+", 1, consumername=self._name):
                self._redis.xgroup_delconsumer(STREAM, GROUP, self._name)
        except RedisError as error:
            log.info("consumer group not left", extra={"error": str(error)[:200]})
        self._redis.close()
        self._disconnect()

    def ensure_group(self) -> None:
        """Make the stream and the group if they are missing, from the oldest entry on. Raises RedisError."""
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def revive_dead(self) -> int:
        """Put the records that were refused back into the stream; return their number. Raises RedisError."""
        revived = 0
        while entries := self._redis.xrange(DEAD, count=_REVIVED):
            with self._redis.pipeline(transaction=True) as pipeline:
                for entry_id, fields in entries:
                    pipeline.xadd(
                        STREAM, {name: fields[name] for name in fields if name not in (b"reason", b"entry")}
                    )
                    pipeline.xdel(DEAD, entry_id)
                pipeline.execute()
            revived += len(entries)
        return revived

    def _mend_group(self, error: RedisError) -> None:
        if isinstance(error, ResponseError):
            try:
                self.ensure_group()
            except RedisError:
                log.exception("consumer group not made")

    # --- Taking -------------------------------------------------------------------------------------------

    def _read(self, block_ms: int) -> list[Entry]:
        batch = entries = self._read_once(block_ms)
        records = 0
        while len(entries) == _ENTRIES and (records := records + _records_in(entries)) < _RECORDS:
            entries = self._read_once(0)
            batch = batch + entries
        return batch

    def _read_once(self, block_ms: int) -> list[Entry]:
        answer = self._redis.xreadgroup(
            GROUP, self._name, {STREAM: ">"}, count=_ENTRIES, block=block_ms or None
        )
        streams = answer.items() if isinstance(answer, dict) else answer or ()
        return [entry for _, entries in streams for entry in _entries(entries)]

    def _take_over(self) -> list[Entry]:
        """Return entries that a member read and did not settle; those delivered too often are put away."""
        self._claim_at = time.monotonic() + _CLAIM_EVERY_SECONDS
        if not self._database_answers():
            # Taking over raises the entries' delivery counts, which must not count an outage against them.
            return []
        _, claimed, gone = self._redis.xautoclaim(
            STREAM, GROUP, self._name, min_idle_time=self._claim_idle_ms, count=_ENTRIES
        )
        if gone:
            log.error("pending entries vanished from the stream", extra={"entries": len(gone)})
        batch = _entries(claimed)
        if batch:
            self._claim_at = 0.0
        worn_out = self._delivered_too_often(batch)
        self._put_away_worn_out([entry for entry in batch if entry.id in worn_out])
        return [entry for entry in batch if entry.id not in worn_out]

    def _put_away_worn_out(self, entries: list[Entry]) -> None:
        bad = [each for entry in entries for each in _all_bad(entry, "delivered too often")]
        self._acknowledge([entry.id for entry in entries], bad)

    def _delivered_too_often(self, batch: list[Entry]) -> set[bytes]:
        if not batch:
            return set()
        pending = self._redis.xpending_range(
            STREAM, GROUP, batch[0].id, batch[-1].id, _ENTRIES, consumername=self._name
        )
        return {each["message_id"] for each in pending if each["times_delivered"] > _MOST_DELIVERIES}

    # --- Settling -----------------------------------------------------------------------------------------

    def _settle(self, batch: list[Entry]) -> None:
        good, bad = _sorted_out(batch)
        bad += self._store_patiently(good)
        self._acknowledge([entry.id for entry in batch], bad)

    def _store_patiently(self, good: list[Good]) -> list[Bad]:
        """Insert the rows, waiting for Postgres as long as it takes; return those that it refuses."""
        failures = 0
        while True:
            try:
                return self._store(good)
            except psycopg.Error as error:
                log.error(
                    "records not written; they stay in the stream",
                    extra={"records": len(good), "sqlstate": error.sqlstate, "error": str(error)[:200]},
                )
                self._disconnect()
            if self._stopping.wait(_pause(failures)):
                raise Stopped
            failures += 1

    def _store(self, good: list[Good]) -> list[Bad]:
        try:
            self._insert([each.row for each in good])
        except (psycopg.DataError, psycopg.IntegrityError):
            self._days.clear()
            return self._store_apart(good)
        return []

    def _store_apart(self, good: list[Good]) -> list[Bad]:
        """Insert by halves, so that what Postgres refuses is found in few steps and takes nothing along."""
        try:
            self._insert([each.row for each in good])
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(good) == 1:
                return [Bad(entry=good[0].entry, fields={FIELD: good[0].line}, reason=str(error))]
            middle = len(good) // 2
            return self._store_apart(good[:middle]) + self._store_apart(good[middle:])
        return []

    def _insert(self, rows: list[Row]) -> None:
        if not rows:
            return
        connection = self._connected()
        self._ensure_days(connection, {started_at(row).date() for row in rows})
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for row in rows:
                    copy.write_row(row)
            fresh: dict[int, int] = dict(cursor.execute(_INSERT).fetchall())
        self._count(len(rows), sum(fresh.values()))
        if fresh:
            self._on_rows(fresh.keys())

    def _count(self, rows: int, inserted: int) -> None:
        self.counts.inserted += inserted
        self.counts.skipped += rows - inserted
        if inserted < rows:
            log.info("records that were there already", extra={"dedup_skipped": rows - inserted})

    def _ensure_days(self, connection: Connection, days: set[date]) -> None:
        if days - self._days:
            ensure_partitions(connection, days)
            self._days |= days

    def _acknowledge(self, ids: list[bytes], bad: list[Bad]) -> None:
        """Take the entries out of the stream and, in the same step, put away what was refused of them."""
        if not ids:
            return
        with self._redis.pipeline(transaction=True) as pipeline:
            for each in bad:
                reason = each.reason[:500]
                log.error("record refused", extra={"entry": each.entry.id.decode(), "reason": reason})
                pipeline.xadd(DEAD, {**each.fields, b"reason": reason, b"entry": each.entry.id})
            pipeline.xack(STREAM, GROUP, *ids)
            pipeline.xdel(STREAM, *ids)
            pipeline.execute()
        self.counts.dead += len(bad)

    # --- Postgres -----------------------------------------------------------------------------------------

    def _database_answers(self) -> bool:
        try:
            self._connected().execute("SELECT 1")
        except psycopg.Error:
            self._disconnect()
            return False
        return True

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = connect_as_owner()
            connection.execute(_STAGING)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _entries(raw: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    return [Entry(id=entry_id, fields=fields or {}) for entry_id, fields in raw]


def _records_in(entries: Iterable[Entry]) -> int:
    return sum(len(entry.lines()) for entry in entries)


def records_waiting(state: "redis.Redis") -> int:
    """Return how many records lie in the stream: exact for a short one, by the first entries for a long one.

    Raises RedisError.
    """
    sample: Any = state.xrange(STREAM, count=_SAMPLE)
    if len(sample) < _SAMPLE:
        return _records_in(_entries(sample))
    return int(state.xlen(STREAM)) * _records_in(_entries(sample)) // _SAMPLE


def _sorted_out(batch: list[Entry]) -> tuple[list[Good], list[Bad]]:
    now = datetime.now(UTC)
    oldest = datetime.combine(oldest_day(settings.RECORD_RETENTION_DAYS), datetime.min.time(), UTC)
    good: list[Good] = []
    bad: list[Bad] = []
    for entry in batch:
        lines = entry.lines()
        if not lines:
            bad += _all_bad(entry, "an entry without lines of JSON")
        for line in lines:
            try:
                good.append(Good(entry, line, row_of(line, oldest=oldest, now=now)))
            except Refused as error:
                bad.append(Bad(entry, {FIELD: line}, str(error)))
    return good, bad


def _all_bad(entry: Entry, reason: str) -> list[Bad]:
    """Return all of the entry's records as refused, each by itself."""
    return [Bad(entry, {FIELD: line}, reason) for line in entry.lines()] or [Bad(entry, entry.fields, reason)]


def _pause(failures: int) -> float:
    return _PAUSES[min(failures, len(_PAUSES) - 1)]
