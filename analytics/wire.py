"""How records travel from the web process to ingest: one JSON object a line, in Redis or in a spool file.

A stream entry holds the lines of many records: what an entry costs on its way (packing, an answer, a place in
the group's list of pending entries) is paid once for all of them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

import orjson
from pydantic import TypeAdapter

from analytics.record import OWN_COLUMNS, CallRecord, FinishedCall, PreparedRecord, RepeatedCall

STREAM = "hp:records"
#: The one field of a stream entry: lines without an end after the last.
FIELD = b"r"

#: Bounds of an entry, so that what ingest takes at a time stays small. A longer line has an entry to itself.
MOST_RECORDS = 200
MOST_BYTES = 256 * 1024

_RECORD = TypeAdapter(CallRecord)

#: What a line that leaves a column out means.
DEFAULTS: dict[str, Any] = {
    column.name: column.default_factory() if column.default_factory is not MISSING else column.default
    for column in fields(CallRecord)
    if column.default is not MISSING or column.default_factory is not MISSING
}


def encode(call: FinishedCall) -> bytes:
    """Return one line of JSON without its end. Text that is no Unicode gets question marks."""
    if isinstance(call, RepeatedCall):
        return _encode_repeated(call)
    try:
        return orjson.dumps(call)
    except TypeError:
        return _encode_anything(call)


def _encode_repeated(call: RepeatedCall) -> bytes:
    own = {
        "id": call.id,
        "started_at": call.started_at,
        "total_ms": call.total_ms,
        "client_request_id": call.client_request_id,
    }
    try:
        return (call.prepared.head or _head(call.prepared)) + orjson.dumps(own)[1:]
    except TypeError:
        return _encode_anything(call.whole())


def _head(prepared: PreparedRecord) -> bytes:
    """Return and keep the line's beginning: the shared columns (those at their default left out), a comma."""
    values = {column.name: getattr(prepared.record, column.name) for column in fields(CallRecord)}
    told = {
        name: value
        for name, value in values.items()
        if name not in OWN_COLUMNS and (name not in DEFAULTS or value != DEFAULTS[name])
    }
    prepared.head = orjson.dumps(told)[:-1] + b","
    return prepared.head


def _encode_anything(record: CallRecord) -> bytes:
    # Lone surrogates, whole numbers beyond 64 bits, values that are no JSON: rare, so the slow way is kept
    # off the usual path. Ingest refuses by name what Postgres can't hold.
    try:
        text = json.dumps(asdict(record), default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(asdict(replace(record, attempts=[], decision={"unreadable": True})), default=str)
    return text.encode("utf-8", "replace")


def packed(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines in their order, as many at a time as one entry may hold."""
    entry: list[bytes] = []
    size = 0
    for line in lines:
        if entry and (len(entry) == MOST_RECORDS or size + len(line) > MOST_BYTES):
            yield entry
            entry, size = [], 0
        entry.append(line)
        size += len(line) + 1
    if entry:
        yield entry


def value_of(lines: list[bytes]) -> bytes:
    """Return the value of FIELD for these lines."""
    return b"\n".join(lines)


def lines_of(value: bytes) -> list[bytes]:
    """Return the lines of an entry; one that an older release wrote has one."""
    return value.split(b"\n")


def decode(line: bytes) -> CallRecord:
    """Raise ValueError (pydantic's ValidationError is one) for anything that is not a record."""
    return _RECORD.validate_json(line)
