"""L1: answers by fingerprint, in the cache Redis."""

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from redis.exceptions import TimeoutError as RedisTimeoutError

from caching import answers, metrics
from caching.answers import BrokenAnswer, StoredAnswer
from caching.breaker import Breaker
from caching.cache_redis import REDIS_ERRORS, answer_key
from tenants.redis_line import RedisLine

log = logging.getLogger(__name__)

_JITTER = 0.1


class CacheUnavailable(Exception):
    """The exact cache could not be asked; `reason` is `timeout`, `connection` or `breaker_open`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExactStore(Protocol):
    """Answers by fingerprint. Every method raises CacheUnavailable."""

    def get(self, tenant_id: int, fingerprint: bytes) -> Coroutine[Any, Any, StoredAnswer | None]:
        """Ask at once; await what is returned for the answer, None if it is unknown, broken or past its expiry.

        Whoever no longer wants the answer closes the coroutine.
        """

    async def put(self, tenant_id: int, fingerprint: bytes, answer: StoredAnswer, *, ttl_s: float) -> None:
        """Keep the answer for about `ttl_s` seconds, never beyond its expiry."""

    async def drop(self, tenant_id: int, fingerprint: bytes) -> None:
        """Forget the answer, if there is one."""


class RedisExactStore:
    """The exact cache in the cache Redis, with a breaker: a dead server costs nothing after some failures."""

    def __init__(self, *, breaker: Breaker | None = None) -> None:
        self._line = RedisLine(settings.REDIS_CACHE_URL, timeout_s=settings.REDIS_TIMEOUT_SECONDS)
        self._breaker = breaker or Breaker(failures_to_open=3, open_seconds=1.0)

    def get(self, tenant_id: int, fingerprint: bytes) -> Coroutine[Any, Any, StoredAnswer | None]:
        asked = self._ask("GET", answer_key(tenant_id, fingerprint))
        return self._read(tenant_id, fingerprint, asked)

    async def _read(
        self, tenant_id: int, fingerprint: bytes, asked: "asyncio.Future[Any] | None"
    ) -> StoredAnswer | None:
        value = await self._answered(asked)
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
        left_s = answer.expires_at - time.time()
        # Where answers are kept past their time, that time was jittered already: the window behind it is whole.
        lifetime_ms = int(1000 * (jittered(ttl_s, most=left_s) if answer.fresh_until is None else left_s))
        if lifetime_ms > 0:
            key = answer_key(tenant_id, fingerprint)
            await self._answered(self._ask("SET", key, answers.dump(answer), "PX", lifetime_ms))

    async def drop(self, tenant_id: int, fingerprint: bytes) -> None:
        await self._answered(self._ask("DEL", answer_key(tenant_id, fingerprint)))

    async def close(self) -> None:
        await self._line.close()

    def _ask(self, *command: str | bytes | int) -> "asyncio.Future[Any] | None":
        """Send the command, unless the breaker is open (None)."""
        return self._line.ask(*command) if self._breaker.allows() else None

    async def _answered(self, asked: "asyncio.Future[Any] | None") -> Any:
        if asked is None:
            raise CacheUnavailable("breaker_open")
        try:
            reply = await asked
        except REDIS_ERRORS as error:
            self._breaker.failed()
            timed_out = isinstance(error, RedisTimeoutError)
            raise CacheUnavailable("timeout" if timed_out else "connection") from error
        self._breaker.succeeded()
        return reply


class Lifetime(NamedTuple):
    """When an answer is past its time, if it is kept beyond, and when it is gone."""

    fresh_until: float | None
    expires_at: float


def lifetime(now: float, ttl_s: float, *, window_s: float) -> Lifetime:
    """Return the times of an answer that is made now. window_s: how long it is kept past its TTL."""
    if window_s <= 0:
        return Lifetime(None, now + ttl_s)
    fresh_until = now + jittered(ttl_s, most=ttl_s)
    return Lifetime(fresh_until, fresh_until + window_s)


def jittered(ttl_s: float, *, most: float) -> float:
    """Return the TTL moved by up to a tenth, so that answers made together don't expire together."""
    return min(ttl_s * random.uniform(1 - _JITTER, 1 + _JITTER), most)  # noqa: S311 (no secret)
