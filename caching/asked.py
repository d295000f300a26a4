"""What a semantic hit was asked, kept for a day at most, so that feedback about it can be understood.

It holds a question's text, as an entry of the semantic cache does: in the cache Redis, which may evict it, never
longer than the entry that answered, and it goes with a purge of everything.
"""

import base64
import logging
import time
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import orjson
from django.conf import settings
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import TimeoutError as RedisTimeoutError

from caching import metrics
from caching.cache_redis import REDIS_ERRORS, asked_key, blocking_client
from caching.exact import CacheUnavailable
from caching.vectors import InvalidVector, Vector, vector_from_bytes
from tenants.redis_line import RedisLine

log = logging.getLogger(__name__)

#: How long feedback may take to come.
LONGEST_S = 24 * 3600.0
#: Questions that have a vector are far smaller.
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedHit:
    """A question that was answered by an entry of the semantic cache, and what that rested on."""

    question: str = field(repr=False)
    stored_question: str = field(repr=False)
    vector: Vector = field(repr=False)
    """The question's."""
    scope: bytes
    fingerprint: bytes
    entry: UUID
    similarity: float
    mode: str
    floor: float
    """In effect when it was decided."""
    verifier: str
    verifier_score: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """The same as JSON can hold it."""

    question: str
    stored_question: str
    embedder_id: str
    vector: str
    scope: str
    fingerprint: str
    entry: UUID
    similarity: float
    mode: str
    floor: float
    verifier: str
    verifier_score: float | None


_ADAPTER = TypeAdapter(_Kept)


class AskedStore(Protocol):
    """Keeps what hits were asked."""

    async def put(self, tenant_id: int, request_id: UUID, hit: AskedHit, *, expires_at: float) -> None:
        """Keep the hit until `expires_at` (Unix seconds), a day at most. Raises CacheUnavailable."""


class RedisAskedStore:
    """In the cache Redis, by request id."""

    def __init__(self) -> None:
        self._line = RedisLine(settings.REDIS_CACHE_URL, timeout_s=settings.REDIS_TIMEOUT_SECONDS)

    async def put(self, tenant_id: int, request_id: UUID, hit: AskedHit, *, expires_at: float) -> None:
        lifetime_ms = int(1000 * min(expires_at - time.time(), LONGEST_S))
        value = _dump(hit)
        if len(value) > _MOST_BYTES:
            metrics.UNSTORED.labels(layer="asked", reason="too_large").inc()
            return
        if lifetime_ms <= 0:
            return
        try:
            await self._line.ask("SET", asked_key(tenant_id, request_id), value, "PX", lifetime_ms)
        except REDIS_ERRORS as error:
            timed_out = isinstance(error, RedisTimeoutError)
            raise CacheUnavailable("timeout" if timed_out else "connection") from error

    async def close(self) -> None:
        await self._line.close()


def find_asked(tenant_id: int, request_id: UUID) -> AskedHit | None:
    """Return what the tenant's request was asked if it was a semantic hit of late; blocking.

    Raises CacheUnavailable.
    """
    try:
        with blocking_client() as client:
            value = client.get(asked_key(tenant_id, request_id))
    except REDIS_ERRORS as error:
        raise CacheUnavailable("connection") from error
    return _load(value) if isinstance(value, bytes) else None


def _dump(hit: AskedHit) -> bytes:
    kept = _Kept(
        question=hit.question,
        stored_question=hit.stored_question,
        embedder_id=hit.vector.embedder_id,
        vector=base64.b64encode(hit.vector.to_bytes()).decode(),
        scope=hit.scope.hex(),
        fingerprint=hit.fingerprint.hex(),
        entry=hit.entry,
        similarity=hit.similarity,
        mode=hit.mode,
        floor=hit.floor,
        verifier=hit.verifier,
        verifier_score=hit.verifier_score,
    )
    return orjson.dumps(kept)


def _load(value: bytes) -> AskedHit | None:
    """Return the hit, None if the value is broken: then nothing is known of the request."""
    try:
        kept = _ADAPTER.validate_json(value)
        return AskedHit(
            question=kept.question,
            stored_question=kept.stored_question,
            vector=vector_from_bytes(kept.embedder_id, base64.b64decode(kept.vector, validate=True)),
            scope=bytes.fromhex(kept.scope),
            fingerprint=bytes.fromhex(kept.fingerprint),
            entry=kept.entry,
            similarity=kept.similarity,
            mode=kept.mode,
            floor=kept.floor,
            verifier=kept.verifier,
            verifier_score=kept.verifier_score,
        )
    except (ValidationError, InvalidVector, ValueError) as error:
        metrics.BROKEN_VALUES.labels(layer="asked").inc()
        log.warning("broken note of a hit passed over", extra={"error": type(error).__name__})
        return None
