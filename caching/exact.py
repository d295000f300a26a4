"""L1: answers by fingerprint, in the cache Redis."""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from redis.exceptions import TimeoutError as RedisTimeoutError

from caching import answers, metrics
from caching.answers import BrokenAnswer, StoredAnswer
from caching.breaker import Breaker
from caching.cache_redis import REDIS_ERRORS, answer_key, async_client

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_JITTER = 0.1


class CacheUnavailable(Exception):
    """The exact cache could not be asked; `reason` is `timeout`, `connection` or `breaker_open`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExactStore(Protocol):
    """Answers by fingerprint. Every method raises CacheUnavailable."""

    async def get(self, tenant_id: int, fingerprint: bytes) -> StoredAnswer | None:
        """Return the answer unless it is unknown, broken or past its expiry."""

    async def put(self, tenant_id: int, fingerprint: bytes, answer: StoredAnswer, *, ttl_s: float) -> None:
        """Keep the answer for about `ttl_s` seconds, never beyond its expiry."""

    async def drop(self, tenant_id: int, fingerprint: bytes) -> None:
        """Forget the answer, if there is one."""


class RedisExactStore:
    """The exact cache in the cache Redis, with a breaker: a dead server costs nothing after some failures."""

    def __init__(self, *, breaker: Breaker | None = None, max_connections: int = 32) -> None:
        self._redis = async_client(max_connections=max_connections)
        self._breaker = breaker or Breaker(failures_to_open=3, open_seconds=1.0)

    async def get(self, tenant_id: int, fingerprint: bytes) -> StoredAnswer | None:
        key = answer_key(tenant_id, fingerprint)
        value = await self._ask(lambda: self._redis.get(key))
        if not isinstance(value, bytes):
            return None
        try:
            answer = answers.load(value)
        except BrokenAnswer as error:
            metrics.BROKEN_VALUES.labels(layer="exact").inc()
            log.warning("broken answer dropped", extra={"tenant_id": tenant_id, "error": str(error)})
            await self.drop(tenant_id, fingerprint)
            return None
        return answer if answer.expires_at > time.time() else None

    async def put(self, tenant_id: int, fingerprint: bytes, answer: StoredAnswer, *, ttl_s: float) -> None:
        lifetime_ms = int(1000 * jittered(ttl_s, most=answer.expires_at - time.time()))
        if lifetime_ms > 0:
            key = answer_key(tenant_id, fingerprint)
            await self._ask(lambda: self._redis.set(key, answers.dump(answer), px=lifetime_ms))

    async def drop(self, tenant_id: int, fingerprint: bytes) -> None:
        key = answer_key(tenant_id, fingerprint)
        await self._ask(lambda: self._redis.delete(key))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, command: Callable[[], Awaitable[Result]]) -> Result:
        if not self._breaker.allows():
            raise CacheUnavailable("breaker_open")
        try:
            result = await command()
        except REDIS_ERRORS as error:
            self._breaker.failed()
            timed_out = isinstance(error, RedisTimeoutError | TimeoutError)
            raise CacheUnavailable("timeout" if timed_out else "connection") from error
        self._breaker.succeeded()
        return result


def jittered(ttl_s: float, *, most: float) -> float:
    """Return the TTL moved by up to a tenth, so that answers made together don't expire together."""
    return min(ttl_s * random.uniform(1 - _JITTER, 1 + _JITTER), most)  # noqa: S311 (no secret)
