"""How a record travels from the web process to ingest: one JSON object, in Redis or in a spool file."""

import json
from dataclasses import asdict, replace

import orjson
from pydantic import TypeAdapter

from analytics.record import CallRecord

STREAM = "hp:records"
#: The one field of a stream entry.
FIELD = b"r"

_RECORD = TypeAdapter(CallRecord)


def encode(record: CallRecord) -> bytes:
    """Return one line of JSON without its end. Text that is no Unicode gets question marks."""
    try:
        return orjson.dumps(record)
    except TypeError:
        return _encode_anything(record)


def _encode_anything(record: CallRecord) -> bytes:
    # Lone surrogates, whole numbers beyond 64 bits, values that are no JSON: rare, so the slow way is kept
    # off the usual path. Ingest refuses by name what Postgres can't hold.
    try:
        text = json.dumps(asdict(record), default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(asdict(replace(record, attempts=[], decision={"unreadable": True})), default=str)
    return text.encode("utf-8", "replace")


def decode(value: bytes) -> CallRecord:
    """Raise ValueError (pydantic's ValidationError is one) for anything that is not a record."""
    return _RECORD.validate_json(value)
