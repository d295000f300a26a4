"""Computes hourly rollups anew from the records."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics.owner import owner_connection
from analytics.rollups import mark_dirty, roll_up


class Command(BaseCommand):
    help = "Compute hourly rollups anew from the records that are still kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", default="1970-01-01", help="ISO 8601, UTC; default: all records")
        parser.add_argument("--until", default="", help="ISO 8601, UTC; default: now")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        since, until = _time(options["since"]), _time(options["until"] or datetime.now(UTC).isoformat())
        # A whole month of marks may wait for ingest's locks a little longer than a job of every minute.
        with owner_connection(lock_timeout_ms=10_000) as connection:
            mark_dirty(connection, since, until)
            done = roll_up(connection)
        line = f"{done.hours} hours of tenants computed, {done.left} left for the next rollup"
        self.stdout.write(json.dumps(asdict(done)) if options["json"] else line)


def _time(raw: str) -> datetime:
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError as error:
        raise CommandError(f"not an ISO 8601 time: {raw!r}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
