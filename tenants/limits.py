"""Request limits of API key, tenant and gateway: one atomic step in the state Redis.

Windows are fixed and aligned to Redis' own clock, so that web servers' clocks don't matter. A request that
one limit refuses is counted by none. While Redis cannot be asked each process admits its share of the limits
(limit / number of web processes), counted locally.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tenants.policy import KeyPolicy, RequestLimits, TenantPolicy

log = logging.getLogger(__name__)

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400
#: What a tenant without a limit is held to, so that every answer can say where its caller stands.
TENANT_CEILING_PER_MINUTE = 1_000_000

#: How long a Redis that failed is left alone before it is asked again.
_REST_SECONDS = 0.5

#: Local counters kept before those of past windows are dropped.
_LOCAL_COUNTERS = 10_000

# Reads every counter before it writes one: a script that fails half-way is not rolled back.
# ARGV: window seconds and limit of each key. Returns {index of the refusing limit or 0, now, counts...}.
_ADMIT = """
local now = tonumber(redis.call('TIME')[1])
local names, reply, refused = {}, {0, now}, 0
for i = 1, #KEYS do
  local seconds, limit = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  names[i] = KEYS[i] .. ':' .. math.floor(now / seconds)
  local count = tonumber(redis.call('GET', names[i]) or '0')
  if count >= limit and refused == 0 then refused = i end
  reply[i + 2] = count
end
if refused > 0 then reply[1] = refused return reply end
for i = 1, #KEYS do
  reply[i + 2] = redis.call('INCR', names[i])
  if reply[i + 2] == 1 then redis.call('EXPIRE', names[i], tonumber(ARGV[2 * i - 1]) + 60) end
end
return reply
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One limit: at most `limit` requests in each `seconds` of what `name` and `owner` stand for."""

    name: Literal["key", "tenant", "gateway"]
    owner: str
    seconds: int
    limit: int

    @property
    def counter(self) -> str:
        return f"hp:limit:{self.name}:{self.owner}:{self.seconds}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowState:
    """Where a window stands after this request."""

    window: Window
    remaining: int
    reset_s: int
    """Seconds until the window ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitVerdict:
    """Whether a request is admitted, and the state of every window that it was held to."""

    refused_by: WindowState | None
    states: tuple[WindowState, ...]
    counted: Literal["shared", "leased", "local"]
    """By Redis for this request alone, by Redis for a block of permits, or by this process alone."""

    @property
    def admitted(self) -> bool:
        return self.refused_by is None


class RequestLimiter(Protocol):
    """Counts a request against its windows."""

    def take(self, windows: Sequence[Window]) -> LimitVerdict | None:
        """Decide from what is known here, without waiting; None when Redis must be asked (`admit`).

        Fastest when a caller gives the same tuple each time.
        """

    async def admit(self, windows: Sequence[Window]) -> LimitVerdict:
        """Count the request in every window, or in none when one of them is full. Never raises."""


def windows_of(tenant: TenantPolicy, key: KeyPolicy, gateway: RequestLimits) -> tuple[Window, ...]:
    """Return every limit that a request with this key is held to, the narrowest owner first."""
    found = [
        *_windows("key", key.public_id, key.limits),
        *_windows("tenant", str(tenant.tenant_id), tenant.limits),
        *_windows("gateway", "all", gateway),
    ]
    if tenant.limits.per_minute is None:
        found.append(
            Window(
                name="tenant",
                owner=str(tenant.tenant_id),
                seconds=MINUTE_SECONDS,
                limit=TENANT_CEILING_PER_MINUTE,
            )
        )
    return tuple(found)


def _windows(name: Literal["key", "tenant", "gateway"], owner: str, limits: RequestLimits) -> list[Window]:
    pairs = ((MINUTE_SECONDS, limits.per_minute), (DAY_SECONDS, limits.per_day))
    return [Window(name=name, owner=owner, seconds=s, limit=n) for s, n in pairs if n is not None]


class RedisRequestLimiter:
    """Exact over all processes while the state Redis answers, a fair share per process while it doesn't."""

    def __init__(self) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            settings.REDIS_STATE_URL,
            socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
            # A repeated script would count a request twice.
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(_ADMIT)
        self._local = LocalShare(settings.WEB_PROCESSES)
        self._rest_until = 0.0

    async def close(self) -> None:
        await self._redis.aclose()

    def degraded(self) -> frozenset[str]:
        """Return `limits` while requests are counted locally (for /readyz)."""
        return frozenset({"limits"}) if time.monotonic() < self._rest_until else frozenset()

    def take(self, windows: Sequence[Window]) -> LimitVerdict | None:
        return None

    async def admit(self, windows: Sequence[Window]) -> LimitVerdict:
        if time.monotonic() < self._rest_until:
            return self._local.admit(windows, time.time())
        try:
            return await self._shared(windows)
        except (RedisError, OSError) as error:
            self._rest_until = time.monotonic() + _REST_SECONDS
            log.warning("request limits are counted locally", extra={"error": type(error).__name__})
            return self._local.admit(windows, time.time())

    async def _shared(self, windows: Sequence[Window]) -> LimitVerdict:
        arguments = [number for window in windows for number in (window.seconds, window.limit)]
        reply = await self._script(keys=[window.counter for window in windows], args=arguments)
        refused, now, *counts = cast(list[int], reply)
        return _verdict(windows, counts, now, refused, "shared")


class LocalShare:
    """Counters of this process alone, each limit divided by the number of processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._counts: dict[tuple[str, int], int] = {}

    def admit(self, windows: Sequence[Window], now: float) -> LimitVerdict:
        """Count the request as RequestLimiter.admit does; `now` in Unix seconds."""
        places = [(window.counter, int(now) // window.seconds) for window in windows]
        counts = [self._counts.get(place, 0) for place in places]
        full = [count >= self._share(window) for count, window in zip(counts, windows, strict=True)]
        if any(full):
            return _verdict(windows, counts, int(now), full.index(True) + 1, "local")
        if len(self._counts) > _LOCAL_COUNTERS:
            self._drop_past_windows(now)
        self._counts.update({place: count + 1 for place, count in zip(places, counts, strict=True)})
        return _verdict(windows, [count + 1 for count in counts], int(now), 0, "local")

    def _drop_past_windows(self, now: float) -> None:
        current = {int(now) // seconds for seconds in (MINUTE_SECONDS, DAY_SECONDS)}
        self._counts = {place: count for place, count in self._counts.items() if place[1] in current}

    def _share(self, window: Window) -> int:
        return max(1, window.limit // self._processes)


def _verdict(
    windows: Sequence[Window],
    counts: Sequence[int],
    now: int,
    refused: int,
    counted: Literal["shared", "local"],
) -> LimitVerdict:
    states = tuple(
        WindowState(
            window=window,
            remaining=max(0, window.limit - count),
            reset_s=window.seconds - now % window.seconds,
        )
        for window, count in zip(windows, counts, strict=True)
    )
    return LimitVerdict(refused_by=states[refused - 1] if refused else None, states=states, counted=counted)
