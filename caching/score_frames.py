"""A cross-encoder's reply as bytes: float32 scores, little-endian, in the order of the pairs."""

import struct
from collections.abc import Sequence


class BrokenScores(ValueError):
    """Bytes that are no scores of this many pairs."""


def dump(scores: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(scores)}f", *scores)


def load(frame: bytes, *, count: int) -> list[float]:
    """Return the scores; NaN where there is none. Raises BrokenScores."""
    try:
        return list(struct.unpack(f"<{count}f", frame))
    except struct.error as error:
        raise BrokenScores(str(error)) from None
