"""Records put straight into Postgres, the way that ingest does it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from analytics.ingest import _COPY, _INSERT, _STAGING
from analytics.owner import owner_connection
from analytics.partitions import ensure_partitions
from analytics.record import CallRecord
from analytics.rows import row_of
from analytics.wire import encode

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)


def store(records: Iterable[CallRecord]) -> None:
    """Insert the records and mark their hours dirty."""
    kept = list(records)
    with owner_connection() as owner:
        ensure_partitions(owner, {datetime.fromtimestamp(each.started_at, UTC).date() for each in kept})
        owner.execute(_STAGING)
        with owner.transaction(), owner.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for each in kept:
                    copy.write_row(row_of(encode(each), oldest=_LONG_AGO, now=_FAR_AHEAD))
            cursor.execute(_INSERT)
