"""Request ids: always ours, sortable by time, never taken from the caller."""

import os
import time
from functools import lru_cache
from uuid import UUID

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Two letters for each value of ten bits: half as many steps for an id, of which every answer shows one.
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
#: 128 bits are 26 letters of five bits, less two bits at the front: ten letters of time, sixteen at random.
_TIME_SHIFTS = (120, 110, 100, 90, 80)
_RANDOM_SHIFTS = (70, 60, 50, 40, 30, 20, 10, 0)


_RANDOM_MASK = (1 << 80) - 1


class _RandomBits:
    """The operating system's random bytes, fetched for some hundred ids at a time: one call to it costs more than
    all else that an id takes."""

    _SIZE = 10
    _FETCHED = 400 * _SIZE

    def __init__(self) -> None:
        self._bytes = b""
        self._place = 0
        os.register_at_fork(after_in_child=self._forget)

    def take(self) -> bytes:
        """Return ten bytes that were never returned before."""
        place = self._place
        if place == len(self._bytes):
            self._bytes, place = os.urandom(self._FETCHED), 0
        self._place = place + self._SIZE
        return self._bytes[place : self._place]

    def _forget(self) -> None:
        # Two processes that went on from the same bytes would make the same ids.
        self._bytes, self._place = b"", 0


_random_bits = _RandomBits()


def new_request_id() -> UUID:
    """Return 48 bits of Unix milliseconds followed by 80 random bits (the layout of a ULID).

    Belongs to one thread.
    """
    return UUID(bytes=(time.time_ns() // 1_000_000).to_bytes(6, "big") + _random_bits.take())


def shown(request_id: UUID) -> str:
    """Return the id as callers see it: `req_` and the 26 characters of the ULID."""
    number = request_id.int
    random = number & _RANDOM_MASK
    return _shown_time(number >> 80) + "".join([_PAIRS[(random >> shift) & 1023] for shift in _RANDOM_SHIFTS])


@lru_cache(256)
def _shown_time(milliseconds: int) -> str:
    return "req_" + "".join([_PAIRS[(milliseconds << 80 >> shift) & 1023] for shift in _TIME_SHIFTS])


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
