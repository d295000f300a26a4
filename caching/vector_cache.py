"""Vectors by tenant and text, in the cache Redis: a text that comes again needs no worker."""

import hashlib

from redis.asyncio import Redis

from caching import metrics
from caching.cache_redis import vector_key
from caching.vectors import InvalidVector, Vector, vector_from_bytes

_TTL_S = 24 * 3600


class VectorCache:
    """Raises what the client raises (REDIS_ERRORS)."""

    def __init__(self, client: "Redis", *, embedder_id: str, ttl_s: int = _TTL_S) -> None:
        self._redis = client
        self._embedder_id = embedder_id
        self._ttl_s = ttl_s

    async def get(self, tenant_id: int, text: str) -> Vector | None:
        """Return the vector of the text; a broken one is dropped and counted, and is none."""
        key = self._key(tenant_id, text)
        data = await self._redis.get(key)
        if not isinstance(data, bytes):
            return None
        try:
            return vector_from_bytes(self._embedder_id, data)
        except InvalidVector:
            metrics.BROKEN_VALUES.labels(layer="vector").inc()
            await self._redis.delete(key)
            return None

    async def put(self, tenant_id: int, text: str, vector: Vector) -> None:
        await self._redis.set(self._key(tenant_id, text), vector.to_bytes(), ex=self._ttl_s)

    def _key(self, tenant_id: int, text: str) -> str:
        return vector_key(tenant_id, self._embedder_id, hashlib.sha256(text.encode()).hexdigest())
