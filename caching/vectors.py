"""An embedding as a value, and its bytes: little-endian float32, 4 x dimension.

Without numpy: a web process only checks vectors and passes them on, and numpy would take 10 MiB of it.
"""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import mul

_FLOAT32_BYTES = 4
#: How far a length may be from 1: float16 round trips and the sums of large dimensions stay well below it.
_LENGTH_TOLERANCE = 0.02


class InvalidVector(ValueError):
    """Bytes or numbers that no embedder makes: wrong size, not finite, not of unit length."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Vector:
    """A unit-length embedding; vectors of different embedders must never be compared."""

    embedder_id: str
    data: bytes = field(repr=False)

    @property
    def dimension(self) -> int:
        return len(self.data) // _FLOAT32_BYTES

    @property
    def values(self) -> list[float]:
        """The numbers; unpacked each time."""
        return list(struct.unpack(f"<{self.dimension}f", self.data))

    def to_bytes(self) -> bytes:
        return self.data

    def similarity(self, other: "Vector") -> float:
        """Return the cosine; higher is closer. Raises InvalidVector for two embedders."""
        if other.embedder_id != self.embedder_id or other.dimension != self.dimension:
            raise InvalidVector("vectors of two embedders cannot be compared")
        cosine: float = sum(map(mul, self.values, other.values))
        return max(-1.0, min(1.0, cosine))


def vector_of(embedder_id: str, values: Iterable[float]) -> Vector:
    """Return the vector of these numbers; raises InvalidVector."""
    try:
        numbers = list(values)
        data = struct.pack(f"<{len(numbers)}f", *numbers)
    except (TypeError, struct.error, OverflowError):
        raise InvalidVector("not a list of numbers") from None
    return vector_from_bytes(embedder_id, data)


def vector_from_bytes(embedder_id: str, data: bytes) -> Vector:
    """Return the vector of little-endian float32 bytes; raises InvalidVector."""
    if not data or len(data) % _FLOAT32_BYTES:
        raise InvalidVector("is not 4 x dimension bytes long")
    vector = Vector(embedder_id=embedder_id, data=data)
    values = vector.values
    length = math.hypot(*values)
    if not math.isfinite(length):
        raise InvalidVector("holds numbers that are not finite")
    if abs(length - 1.0) > _LENGTH_TOLERANCE:
        raise InvalidVector("is not of unit length")
    return vector
