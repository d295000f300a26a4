"""A line of the record stream as a row of Postgres: what is made to fit, and what is refused (pure)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson
from django.db.models import CharField

from analytics.models import RequestRecord
from analytics.record import CallRecord
from analytics.wire import DEFAULTS

Row = list[Any]

#: In the order of the values of a row.
COLUMNS = tuple(field.name for field in fields(CallRecord))

_CLOCK_SKEW = timedelta(days=1)
_MOST_TAG = 64
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Refused(ValueError):
    """The record can't become a row; the message says why."""


def row_of(line: bytes, *, oldest: datetime, now: datetime) -> Row:
    """Return the values for COLUMNS. Raises Refused for all that can be seen without asking Postgres.

    Text is cut to its column's width and NUL (which Postgres can't hold) becomes U+FFFD: a record of money
    must not be lost for its looks. A start before `oldest` or in the future is refused. Columns that aren't
    known here are left out: a newer release wrote the line.
    """
    row = _DEFAULT_ROW.copy()
    values = _values(line)
    for name, value in values.items():
        if column := _PLAN.get(name):
            place, kinds, width, make = column
            if type(value) not in kinds:
                raise Refused(f"{name} can't be a {type(value).__name__}")
            if width:
                row[place] = value if len(value) <= width and "\0" not in value else _fitted(value, width)
            else:
                row[place] = value if make is None or value is None else make(value)
    if missing := _REQUIRED - values.keys():
        raise Refused(f"{', '.join(sorted(missing))} is missing")
    started_at: datetime = row[_STARTED_AT]
    if not oldest <= started_at <= now + _CLOCK_SKEW:
        raise Refused(f"started_at {started_at.isoformat()} is outside the retention or in the future")
    return row


def started_at(row: Row) -> datetime:
    value: datetime = row[_STARTED_AT]
    return value


def _values(line: bytes) -> Mapping[str, Any]:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Refused(f"no JSON: {error}") from error
    if not isinstance(values, dict):
        raise Refused("no JSON object")
    return values


# --- How each column's value is made ------------------------------------------------------------------------


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Refused("started_at is no time") from error


def _fitted(value: str, width: int) -> str:
    return value.replace("\0", "\ufffd")[:width]


def _uuid(name: str, value: str) -> str:
    # Postgres reads the text itself.
    if _UUID.fullmatch(value) is None:
        raise Refused(f"{name} is no UUID")
    return value


def _tags(tags: list[Any]) -> object:
    if not tags:
        # The text that Postgres would write: quicker on its way than a list.
        return "{}"
    if not all(isinstance(tag, str) for tag in tags):
        raise Refused("tags can't be other than text")
    return [_fitted(tag, _MOST_TAG) for tag in tags]


def _json(value: Any) -> str:
    """Return the JSON's text without NUL in any of its texts."""
    if not value:
        return str(value)
    text = orjson.dumps(value)
    return (orjson.dumps(_without_nul(value)) if b"\\u0000" in text else text).decode()


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return [_without_nul(item) for item in value] if isinstance(value, list) else value


_JSON_KINDS: dict[Any, frozenset[type]] = {
    UUID: frozenset({str}),
    float: frozenset({float, int}),
    tuple: frozenset({list}),
    type(None): frozenset({type(None)}),
}


def _kinds(hint: Any) -> frozenset[type]:
    """Return the types that values of this annotation have when they come out of JSON."""
    origin = get_origin(hint)
    if origin in (list, dict, tuple):
        return _kinds(origin)
    if parts := get_args(hint):
        return frozenset().union(*map(_kinds, parts))
    return _JSON_KINDS.get(hint, frozenset({hint}))


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "id": partial(_uuid, "id"),
    "entry_id": partial(_uuid, "entry_id"),
    "started_at": _time,
    "attempts": _json,
    "decision": _json,
    "tags": _tags,
}

_WIDTHS = {
    field.name: field.max_length
    for field in RequestRecord._meta.concrete_fields
    if isinstance(field, CharField)
}
_HINTS = get_type_hints(CallRecord)
#: For each column: its place in a row, the types that its value may have, its width if it is text, and what
#: else makes the value fit.
_PLAN = {
    name: (place, _kinds(_HINTS[name]), _WIDTHS.get(name), _MAKERS.get(name))
    for place, name in enumerate(COLUMNS)
}
_REQUIRED = frozenset(COLUMNS) - DEFAULTS.keys()
_STARTED_AT = COLUMNS.index("started_at")
_DEFAULT_ROW: Row = [
    {**DEFAULTS, "attempts": "[]", "decision": "{}", "tags": "{}"}.get(name) for name in COLUMNS
]
