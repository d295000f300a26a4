"""A record as a row of Postgres: what is made to fit, and what is refused (pure)."""

import math
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from analytics.models import RequestRecord
from analytics.record import CallRecord

Row = tuple[Any, ...]

#: In the order of the values of a row.
COLUMNS = tuple(field.name for field in fields(CallRecord))

_CLOCK_SKEW = timedelta(days=1)
_WIDTHS = {
    name: width
    for name in COLUMNS
    if name != "tenant_id" and (width := getattr(RequestRecord._meta.get_field(name), "max_length", None))
}
_MOST_TAG = 64


class Refused(ValueError):
    """The record can't become a row; the message says why."""


def row_of(record: CallRecord, *, oldest: datetime, now: datetime) -> Row:
    """Return the values for COLUMNS. Raises Refused.

    Text is cut to its column's width and NUL (which Postgres can't hold) becomes U+FFFD: a record of money
    must not be lost for its looks. A start before `oldest` or in the future is refused.
    """
    values = {name: getattr(record, name) for name in COLUMNS}
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise Refused(f"{name} is not finite")
    started_at = _time(record.started_at)
    if not oldest <= started_at <= now + _CLOCK_SKEW:
        raise Refused(f"started_at {started_at.isoformat()} is outside the retention or in the future")
    made = {name: _made(name, value) for name, value in values.items()}
    return tuple({**made, "started_at": started_at}.values())


def started_at(row: Row) -> datetime:
    value: datetime = row[_STARTED_AT]
    return value


_STARTED_AT = COLUMNS.index("started_at")


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Refused("started_at is no time") from error


def _made(name: str, value: Any) -> Any:
    make = _MAKERS.get(name)
    if make is not None:
        return make(value)
    return _text(value, _WIDTHS[name]) if isinstance(value, str) else value


def _text(value: str, width: int) -> str:
    return value.replace("\0", "\ufffd")[:width]


def _json(value: Any) -> Any:
    """Return the value without NUL in any of its texts."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_json(key): _json(item) for key, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list) else value


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "tags": lambda tags: [_text(tag, _MOST_TAG) for tag in tags],
    "attempts": lambda attempts: Jsonb(_json(attempts)),
    "decision": lambda decision: Jsonb(_json(decision)),
}
