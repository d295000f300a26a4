"""An embedding as a value, and its bytes: little-endian float32, 4 x dimension."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FLOAT32 = np.dtype("<f4")
#: How far a length may be from 1: float16 round trips and the sums of large dimensions stay well below it.
_LENGTH_TOLERANCE = 0.02


class InvalidVector(ValueError):
    """Bytes or numbers that no embedder makes: wrong size, not finite, not of unit length."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Vector:
    """A unit-length embedding; vectors of different embedders must never be compared."""

    embedder_id: str
    values: NDArray[np.float32]

    @property
    def dimension(self) -> int:
        return len(self.values)

    def to_bytes(self) -> bytes:
        return self.values.astype(_FLOAT32, copy=False).tobytes()

    def similarity(self, other: "Vector") -> float:
        """Return the cosine; higher is closer. Raises InvalidVector for two embedders."""
        if other.embedder_id != self.embedder_id:
            raise InvalidVector("vectors of two embedders cannot be compared")
        return float(np.clip(np.dot(self.values, other.values), -1.0, 1.0))


def vector_of(embedder_id: str, values: NDArray[np.float32]) -> Vector:
    """Return the vector of these numbers; raises InvalidVector."""
    if values.ndim != 1 or not values.size:
        raise InvalidVector("not a list of numbers")
    if not np.isfinite(values).all():
        raise InvalidVector("holds numbers that are not finite")
    if abs(float(np.linalg.norm(values)) - 1.0) > _LENGTH_TOLERANCE:
        raise InvalidVector("is not of unit length")
    return Vector(embedder_id=embedder_id, values=values)


def vector_from_bytes(embedder_id: str, data: bytes) -> Vector:
    """Return the vector of little-endian float32 bytes; raises InvalidVector."""
    if not data or len(data) % _FLOAT32.itemsize:
        raise InvalidVector("is not 4 x dimension bytes long")
    return vector_of(embedder_id, np.frombuffer(data, dtype=_FLOAT32).astype(np.float32, copy=False))
