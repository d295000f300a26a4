"""Request ids: always ours, sortable by time, never taken from the caller."""

import os
import time
from uuid import UUID

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_request_id() -> UUID:
    """Return 48 bits of Unix milliseconds followed by 80 random bits (the layout of a ULID)."""
    return UUID(bytes=(time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))


def shown(request_id: UUID) -> str:
    """Return the id as callers see it: `req_` and the 26 characters of the ULID."""
    number = request_id.int
    letters = [_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return "req_" + "".join(letters)


def parse(text: str) -> UUID | None:
    """Return the id that `shown` made into this text, or None."""
    letters = text.removeprefix("req_")
    if len(letters) != 26 or not text.startswith("req_"):
        return None
    number = 0
    for letter in letters:
        digit = _CROCKFORD.find(letter)
        if digit < 0:
            return None
        number = number * 32 + digit
    return UUID(int=number) if number < 1 << 128 else None
