"""Clients of the cache Redis, and the names of its keys; all keys of a tenant hash to one slot."""

from uuid import UUID

import redis
import redis.asyncio
import redis.asyncio.retry
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

#: What a caller catches when the cache Redis is down, slow, frozen or refuses a command.
REDIS_ERRORS = (redis.RedisError, OSError)


def async_client(*, max_connections: int = 32, timeout_s: float | None = None) -> "redis.asyncio.Redis":
    """Return a client over a bounded pool whose callers wait for a connection no longer than for an answer.

    timeout_s: of each answer; None: REDIS_TIMEOUT_SECONDS. Nothing is ever tried twice.
    """
    wait = settings.REDIS_TIMEOUT_SECONDS if timeout_s is None else timeout_s
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_CACHE_URL,
        max_connections=max_connections,
        timeout=wait,
        socket_timeout=wait,
        socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
        retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
    )
    return redis.asyncio.Redis.from_pool(pool)


def blocking_client(*, timeout_s: float = 1.0) -> "redis.Redis":
    """Return a client for workers, commands and services. Nothing is ever tried twice."""
    return redis.Redis.from_url(
        settings.REDIS_CACHE_URL,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def answer_key(tenant_id: int, fingerprint: bytes) -> str:
    return f"hp:{{{tenant_id}}}:answer:{fingerprint.hex()}"


def answer_keys(tenant_id: int) -> str:
    """Return the pattern of all answers of a tenant."""
    return f"hp:{{{tenant_id}}}:answer:*"


def asked_key(tenant_id: int, request_id: UUID) -> str:
    return f"hp:{{{tenant_id}}}:asked:{request_id}"


def asked_keys(tenant_id: int) -> str:
    """Return the pattern of all that is kept of what a tenant's hits were asked."""
    return f"hp:{{{tenant_id}}}:asked:*"


def vector_key(tenant_id: int, embedder_id: str, text_digest: str) -> str:
    return f"hp:{{{tenant_id}}}:vector:{embedder_id}:{text_digest}"


def reply_key(process_id: str) -> str:
    """Return the list on which the embedding worker answers one web process."""
    return f"hp:embed:reply:{process_id}"


def scores_key(question_id: str) -> str:
    """Return the list on which the embedding worker answers one question to its cross-encoder."""
    return f"hp:verify:reply:{question_id}"
