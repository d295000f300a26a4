"""A sign of life of beat and of the housekeeping worker: a task that both are needed for leaves a mark."""

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

EVERY_SECONDS = 30.0

_MARK = "hp:housekeeping:seen"
_KEPT_SECONDS = 7 * 86_400


def note() -> None:
    """Leave the mark in the state Redis. Raises redis.RedisError."""
    with _client() as client:
        client.set(_MARK, 1, ex=_KEPT_SECONDS)


def seconds_since() -> float | None:
    """Return the age of the mark; None: there is none. Raises redis.RedisError."""
    with _client() as client:
        # The time that the mark still has tells its age by the server's clock alone.
        left_ms = int(client.pttl(_MARK))
    return None if left_ms < 0 else _KEPT_SECONDS - left_ms / 1000


def _client() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_STATE_URL,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )
