"""JSON from callers: what other parts can't store, hash or send on is refused here, with the reason.

orjson refuses NaN, Infinity, invalid UTF-8 and lone surrogates by itself. NUL can't be kept by Postgres; deep
nesting would exhaust later encoders.
"""

from typing import Any

import orjson

MAX_DEPTH = 64
#: Names and values: each costs more to check than to send, and all calls wait meanwhile.
MAX_VALUES = 20_000


class BadJson(ValueError):
    """The body is not JSON that this gateway takes; the message may be shown to the caller."""


def parse(body: bytes) -> Any:
    """Return the parsed body. Raises BadJson."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadJson("The body is not valid JSON (UTF-8, no NaN or Infinity, no lone surrogates).") from None
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MAX_VALUES and _holds_more_than(value, MAX_VALUES):
        raise BadJson(f"The body holds more than {MAX_VALUES} values.")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and depth_exceeds(value, MAX_DEPTH):
        raise BadJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if b"\\u0000" in body and _has_nul(value):
        raise BadJson("The body holds a NUL character.")
    return value


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _holds_more_than(value: Any, limit: int) -> bool:
    pending = [value]
    while pending:
        children = _children(pending.pop())
        limit -= len(children)
        if limit < 0:
            return True
        pending.extend(children)
    return False


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether lists and objects lie deeper in one another than this."""
    level = [value]
    for _ in range(limit + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _has_nul(value: Any) -> bool:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str) and "\x00" in current:
            return True
        pending.extend(_children(current))
    return False
