"""Vectors by tenant and text, in the cache Redis: a text that comes again needs no worker."""

import hashlib

from caching import metrics
from caching.cache_redis import vector_key
from caching.vectors import InvalidVector, Vector, vector_from_bytes
from tenants.redis_line import RedisLine

_TTL_S = 24 * 3600


class VectorCache:
    """Raises what the line raises (REDIS_ERRORS)."""

    def __init__(self, line: RedisLine, *, embedder_id: str, ttl_s: int = _TTL_S) -> None:
        self._line = line
        self._embedder_id = embedder_id
        self._ttl_s = ttl_s

    async def get(self, tenant_id: int, text: str) -> Vector | None:
        """Return the vector of the text; a broken one is dropped and counted, and is none."""
        key = self._key(tenant_id, text)
        data = await self._line.ask("GET", key)
        if not isinstance(data, bytes):
            return None
        try:
            return vector_from_bytes(self._embedder_id, data)
        except InvalidVector:
            metrics.BROKEN_VALUES.labels(layer="vector").inc()
            await self._line.ask("DEL", key)
            return None

    async def put(self, tenant_id: int, text: str, vector: Vector) -> None:
        await self._line.ask("SET", self._key(tenant_id, text), vector.to_bytes(), "EX", self._ttl_s)

    def _key(self, tenant_id: int, text: str) -> str:
        return vector_key(tenant_id, self._embedder_id, hashlib.sha256(text.encode()).hexdigest())
