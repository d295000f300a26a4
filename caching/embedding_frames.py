"""The worker's reply to one batch of texts as bytes: an outcome for each text, in order.

    version u8 | batch 16 bytes | length u8, embedder id | count u16 | outcomes
    outcome: status u8 (0 = a vector follows: dimension u16, float32 x dimension)

All numbers are little-endian.
"""

import struct
from dataclasses import dataclass
from uuid import UUID

from caching.vectors import InvalidVector, Vector, vector_from_bytes

_VERSION = 1
_HEAD = struct.Struct("<B16sB")
_COUNT = struct.Struct("<H")
_STATUS = struct.Struct("<B")
_DIMENSION = struct.Struct("<H")
_OK = 0
#: The outcome of a text that reached the worker after its task's end: the worker lives, but is too busy.
EXPIRED = "expired"
_REFUSALS = {1: "too_long", 2: "invalid", 3: EXPIRED}
_CODES = {reason: code for code, reason in _REFUSALS.items()}


class BrokenFrame(ValueError):
    """Bytes that are no reply of a worker of this version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What became of the texts of a batch, in order: a vector, or why there is none."""

    batch: UUID
    embedder_id: str
    outcomes: tuple[Vector | str, ...]


def dump(batch: UUID, embedder_id: str, outcomes: list[Vector | str]) -> bytes:
    """Return the frame; a reason that the format does not know travels as `invalid`."""
    name = embedder_id.encode()
    parts = [_HEAD.pack(_VERSION, batch.bytes, len(name)), name, _COUNT.pack(len(outcomes))]
    for outcome in outcomes:
        if isinstance(outcome, str):
            parts.append(_STATUS.pack(_CODES.get(outcome, _CODES["invalid"])))
        else:
            parts += [_STATUS.pack(_OK), _DIMENSION.pack(outcome.dimension), outcome.to_bytes()]
    return b"".join(parts)


def load(frame: bytes) -> Reply:
    """Return the reply in the bytes; raises BrokenFrame. A broken vector is the outcome `invalid`."""
    try:
        return _load(frame)
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise BrokenFrame(str(error)) from None


def _load(frame: bytes) -> Reply:
    version, batch, name_length = _HEAD.unpack_from(frame)
    if version != _VERSION:
        raise BrokenFrame(f"version {version} is unknown")
    at = _HEAD.size + name_length
    embedder_id = frame[_HEAD.size : at].decode()
    (count,) = _COUNT.unpack_from(frame, at)
    at += _COUNT.size
    outcomes: list[Vector | str] = []
    for _ in range(count):
        outcome, at = _load_outcome(frame, at, embedder_id)
        outcomes.append(outcome)
    return Reply(batch=UUID(bytes=batch), embedder_id=embedder_id, outcomes=tuple(outcomes))


def _load_outcome(frame: bytes, at: int, embedder_id: str) -> tuple[Vector | str, int]:
    (status,) = _STATUS.unpack_from(frame, at)
    at += _STATUS.size
    if status != _OK:
        return _REFUSALS[status], at
    (dimension,) = _DIMENSION.unpack_from(frame, at)
    at += _DIMENSION.size
    end = at + 4 * dimension
    if end > len(frame):
        raise BrokenFrame("ends within a vector")
    try:
        return vector_from_bytes(embedder_id, frame[at:end]), end
    except InvalidVector:
        return "invalid", end
