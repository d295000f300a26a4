"""Leases: which of all processes asks for the answer to a question, in the state Redis.

A lease is short and renewed while its holder lives, so that an answer may take minutes and a process that was
killed holds nobody up for more than seconds. For a moment after its end it tells how it ended, so that a
process that looked into the exact cache just before does not ask again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from django.conf import settings
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from caching.breaker import Breaker
from tenants.redis_line import RedisLine

LEASE_SECONDS = 3.0
#: How long an ending can be read: longer than a question takes from the exact cache to its claim.
ENDING_SECONDS = 5.0


class Ending(StrEnum):
    """How a lease ended."""

    KEPT = "kept"
    """The answer is in the exact cache, or will be in a moment."""
    UNSHARED = "unshared"
    """The answer is its caller's alone."""
    FAILED = "failed"
    """There is none: the lease is for whoever comes first."""


@dataclass(frozen=True, slots=True)
class Held:
    """Another holds the lease, by this token."""

    token: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The lease has ended so, so many seconds ago. Never FAILED, which leaves nothing behind."""

    ending: Ending
    age_s: float


class LeasesUnavailable(Exception):
    """Leases could not be asked; `reason` is `timeout`, `connection` or `breaker_open`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Leases(Protocol):
    """One lease for each question of a tenant. Every method raises LeasesUnavailable; it is unknown then whether
    the lease was changed."""

    async def claim(self, tenant_id: int, fingerprint: bytes, token: str) -> Held | Ended | None:
        """Take the lease for LEASE_SECONDS, or renew it if `token` holds it. None: `token` holds it now."""

    async def end(self, tenant_id: int, fingerprint: bytes, token: str, ending: Ending) -> None:
        """End the lease if `token` holds it; as a token, an ending stands for the trace that it left."""


# The holder may claim again: it renews what it has, and gets back what a restarted server has forgotten.
_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return {held, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""

_END = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == 'failed' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisLeases:
    """Leases in the state Redis, with a breaker: a dead server costs nothing after some failures."""

    def __init__(self, *, lease_s: float = LEASE_SECONDS) -> None:
        self._line = RedisLine(settings.REDIS_STATE_URL, timeout_s=settings.REDIS_TIMEOUT_SECONDS)
        self._breaker = Breaker(failures_to_open=3, open_seconds=1.0)
        self._lease_ms = int(lease_s * 1000)

    async def claim(self, tenant_id: int, fingerprint: bytes, token: str) -> Held | Ended | None:
        found = await self._run(_CLAIM, lease_key(tenant_id, fingerprint), token, self._lease_ms)
        return None if found is None else _read(found[0].decode(), found[1] / 1000)

    async def end(self, tenant_id: int, fingerprint: bytes, token: str, ending: Ending) -> None:
        await self._run(_END, lease_key(tenant_id, fingerprint), token, ending, int(ENDING_SECONDS * 1000))

    async def close(self) -> None:
        await self._line.close()

    async def _run(self, script: str, key: str, *arguments: str | int) -> Any:
        if not self._breaker.allows():
            raise LeasesUnavailable("breaker_open")
        try:
            reply = await self._line.ask("EVAL", script, 1, key, *arguments)
        except (RedisError, OSError) as error:
            self._breaker.failed()
            timed_out = isinstance(error, RedisTimeoutError)
            raise LeasesUnavailable("timeout" if timed_out else "connection") from error
        self._breaker.succeeded()
        return reply


def lease_key(tenant_id: int, fingerprint: bytes) -> str:
    return f"hp:{{{tenant_id}}}:lease:{fingerprint.hex()}"


def _read(held: str, expires_in_s: float) -> Held | Ended:
    if held in (Ending.KEPT, Ending.UNSHARED):
        return Ended(Ending(held), ENDING_SECONDS - expires_in_s)
    return Held(held)
