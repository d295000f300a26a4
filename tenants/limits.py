"""Request limits of API key, tenant and gateway: one atomic step in the state Redis.

Windows are fixed and aligned to Redis' own clock, so that web servers' clocks don't matter. A request that
one limit refuses is counted by none. Limits below 1,000 a window are exact. Of larger ones each process takes
permits in small blocks and gives them out by itself: never more than the limit is admitted, and at least the
limit less one block for each process. Idle permits are returned. While Redis cannot be asked each process
uses up its permits, then its share of the limits (limit / number of web processes), counted locally.
"""

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, cast

from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from tenants.local_share import LocalShare
from tenants.permits import Lease, Permits
from tenants.redis_line import RedisLine
from tenants.windows import LimitVerdict, Window, WindowState, windows_of

__all__ = ["LimitVerdict", "RedisRequestLimiter", "RequestLimiter", "Window", "WindowState", "windows_of"]

log = logging.getLogger(__name__)

#: How long a Redis that failed is left alone before it is asked again.
_REST_SECONDS = 0.5

#: Callers whose windows are remembered, before those of idle ones are dropped.
_MOST_KEPT = 50_000

#: Unused permits are returned after this. Not sooner: of many tenants each is heard of now and then, and every
#: lease costs Redis two questions.
_IDLE_SECONDS = 10.0
_SWEEP_SECONDS = 1.0


class _Script:
    """A Lua script and the name that Redis knows it by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# Reads every counter before it writes one: a script that fails half-way is not rolled back.
# ARGV: window seconds, limit, and permits wanted of each key; a window that is nearly full grants what it has.
# Returns {index of the first full window or 0, now in ms, then for each key its count and the permits granted}.
_ADMIT = _Script("""
local clock = redis.call('TIME')
local now = tonumber(clock[1])
local names, counts, granted, full = {}, {}, {}, 0
for i = 1, #KEYS do
  local seconds, limit, wanted = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  names[i] = KEYS[i] .. ':' .. math.floor(now / seconds)
  counts[i] = tonumber(redis.call('GET', names[i]) or '0')
  granted[i] = math.min(wanted, limit - counts[i])
  if granted[i] < 1 and full == 0 then full = i end
end
local reply = {full, now * 1000 + math.floor(tonumber(clock[2]) / 1000)}
for i = 1, #KEYS do
  if full > 0 then
    granted[i] = 0
  else
    counts[i] = redis.call('INCRBY', names[i], granted[i])
    if counts[i] == granted[i] then redis.call('EXPIRE', names[i], tonumber(ARGV[3 * i - 2]) + 60) end
  end
  reply[2 * i + 1] = counts[i]
  reply[2 * i + 2] = granted[i]
end
return reply
""")

# The key is the counter of the very window that the permits were taken from: it never is another's, nor made anew.
_RETURN = _Script("""
local given = math.min(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]))
if given > 0 then redis.call('DECRBY', KEYS[1], given) end
return given
""")


class RequestLimiter(Protocol):
    """Counts a request against its windows."""

    def take(self, windows: Sequence[Window]) -> LimitVerdict | None:
        """Decide from what is known here, without waiting; None when Redis must be asked (`admit`).

        Fastest when a caller gives the same tuple each time.
        """

    async def admit(self, windows: Sequence[Window]) -> LimitVerdict:
        """Count the request in every window, or in none when one of them is full. Never raises."""


_Held = tuple[Permits, ...]
"""What this process knows of each window that a request is held to."""


class _Question(NamedTuple):
    """What Redis is to be asked for, and the permits that were taken from those in hand meanwhile."""

    lacking: list[Permits]
    taken: list[tuple[Permits, Lease]]


class RedisRequestLimiter:
    """Never over a limit, over all processes, while the state Redis answers; a fair share while it doesn't."""

    def __init__(self) -> None:
        self._timeout_s = settings.REDIS_TIMEOUT_SECONDS
        self._line = RedisLine(settings.REDIS_STATE_URL, timeout_s=self._timeout_s)
        self._processes = settings.WEB_PROCESSES
        self._local = LocalShare(self._processes)
        self._held: dict[tuple[Window, ...], _Held] = {}
        self._permits: dict[Window, Permits] = {}
        self._rest_until = 0.0
        self._sweeper: asyncio.TimerHandle | None = None
        self._returning: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Return every unused permit, then let go of the connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if asking := {each.asking for each in self._permits.values() if each.asking}:
            await asyncio.wait(asking)
        self._return_idle(0.0)
        await asyncio.gather(*self._returning)
        await self._line.close()

    def degraded(self) -> frozenset[str]:
        """Return `limits` while requests are counted locally (for /readyz)."""
        return frozenset({"limits"}) if time.monotonic() < self._rest_until else frozenset()

    def take(self, windows: Sequence[Window]) -> LimitVerdict | None:
        return self._take(self._held_for(windows))

    async def admit(self, windows: Sequence[Window]) -> LimitVerdict:
        held = self._held_for(windows)
        while (verdict := self._take(held)) is None:
            now = time.monotonic()
            if now < self._rest_until:
                return self._locally(held, now)
            if (busy := self._busy(held, now)) is None:
                return await self._ask(held, now)
            await _wait_for(busy)
        return verdict

    def _held_for(self, windows: Sequence[Window]) -> _Held:
        windows = tuple(windows)
        held = self._held.get(windows)
        if held is None:
            if len(self._held) >= _MOST_KEPT:
                self._forget()
            held = self._held[windows] = tuple(map(self._permits_of, windows))
        return held

    def _permits_of(self, window: Window) -> Permits:
        permits = self._permits.get(window)
        if permits is None:
            permits = self._permits[window] = Permits(window, processes=self._processes)
        return permits

    def _forget(self) -> None:
        """Drop what Redis can tell again."""
        now = time.monotonic()
        self._held.clear()
        self._permits = {
            window: permits
            for window, permits in self._permits.items()
            if permits.unused or not permits.idle(now, _IDLE_SECONDS)
        }

    def _take(self, held: _Held) -> LimitVerdict | None:
        now = time.monotonic()
        enough = True
        for permits in held:
            if not permits.unused or now >= permits.trusted_until:
                if now < permits.full_until:
                    return _verdict_of(held, now, "leased", full=permits)
                enough = False
        if not enough:
            return None
        for permits in held:
            permits.unused -= 1
            permits.used_at = now
        return _verdict_of(held, now, "leased")

    def _busy(self, held: _Held, now: float) -> Permits | None:
        """Return permits that are lacking and that another caller is asking for."""
        return next((each for each in held if each.asking and not self._lasts(each, now)), None)

    def _lasts(self, permits: Permits, now: float) -> bool:
        """Return whether there is a permit that is still good when Redis has been asked for others."""
        return permits.usable(now + self._timeout_s)

    async def _ask(self, held: _Held, now: float) -> LimitVerdict:
        question = self._question(held, now)
        leased = [each for each in question.lacking if each.block]
        if not leased:
            return await self._counted(held, question)
        # A caller that goes away must not take the answer with it: the permits in it would be lost.
        task = asyncio.ensure_future(self._counted(held, question))
        for permits in leased:
            permits.asking = task
        return await asyncio.shield(task)

    def _question(self, held: _Held, now: float) -> _Question:
        question = _Question([], [])
        for permits in held:
            if self._lasts(permits, now):
                permits.use(now)
                question.taken.append((permits, permits.lease))
            else:
                question.lacking.append(permits)
        return question

    async def _counted(self, held: _Held, question: _Question) -> LimitVerdict:
        try:
            full = await self._count(question.lacking)
        except (RedisError, OSError) as error:
            _put_back(question)
            self._rest(error)
            return self._locally(held, time.monotonic())
        finally:
            for permits in question.lacking:
                permits.asking = None
        if full is not None:
            _put_back(question)
        self._sweep_later(question.lacking)
        return _verdict_of(held, time.monotonic(), "shared", full=full)

    async def _count(self, lacking: list[Permits]) -> Permits | None:
        """Count the request in each of these windows or in none; return the first that is full."""
        numbers = [
            number for each in lacking for number in (each.window.seconds, each.window.limit, each.wanted())
        ]
        sent_at, connection = time.monotonic(), self._line.connection_number
        full, redis_ms, *counted = await self._run(_ADMIT, [each.counter for each in lacking], numbers)
        for permits, count, granted in zip(lacking, counted[::2], counted[1::2], strict=True):
            permits.learn(
                # One of those granted is this request's own.
                granted=max(0, granted - 1),
                count=count,
                redis_ms=redis_ms,
                sent_at=sent_at,
                connection=connection,
            )
        return lacking[full - 1] if full else None

    async def _run(self, script: _Script, keys: list[str], numbers: list[int]) -> Any:
        command: tuple[str | int, ...] = ("EVALSHA", script.digest, len(keys), *keys, *numbers)
        try:
            return await self._line.ask(*command)
        except NoScriptError:
            # A new server, or another one after a failover; it answers in order, so nothing need be awaited.
            self._line.ask("SCRIPT", "LOAD", script.text)
            return await self._line.ask(*command)

    def _rest(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._rest_until:
            log.warning("request limits are counted locally", extra={"error": type(error).__name__})
        self._rest_until = now + _REST_SECONDS

    def _locally(self, held: _Held, now: float) -> LimitVerdict:
        """Use what is in hand, and count in the other windows as if there were this process alone."""
        in_hand = [permits.usable(now) for permits in held]
        others = [permits.window for permits, has in zip(held, in_hand, strict=True) if not has]
        verdict = self._local.admit(others, time.time())
        if verdict.admitted:
            for permits, has in zip(held, in_hand, strict=True):
                if has:
                    permits.use(now)
        counted = dict(zip(others, verdict.states, strict=True))
        states = tuple([counted.get(each.window) or _state(each, now) for each in held])
        return LimitVerdict(refused_by=verdict.refused_by, states=states, counted="local")

    def _sweep_later(self, known: Iterable[Permits]) -> None:
        if self._sweeper is None and any(each.unused for each in known):
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        if not self.degraded():
            self._return_idle(_IDLE_SECONDS)
        self._sweep_later(self._permits.values())

    def _return_idle(self, seconds: float) -> None:
        now = time.monotonic()
        for permits in self._permits.values():
            if permits.unused and permits.idle(now, seconds):
                lease, unused = permits.lease, permits.give_up()
                if now < permits.ends:
                    task = asyncio.ensure_future(self._return(permits.counter, lease, unused))
                    self._returning.add(task)
                    task.add_done_callback(self._returning.discard)

    async def _return(self, counter: str, lease: Lease, unused: int) -> None:
        # A server that lost its data, which is met over another connection, hasn't counted these permits.
        if lease.connection == self._line.connection_number:
            try:
                await self._run(_RETURN, [f"{counter}:{lease.window}"], [unused])
            except (RedisError, OSError) as error:
                extra = {"permits": unused, "error": type(error).__name__}
                log.warning("unused permits could not be returned", extra=extra)


async def _wait_for(permits: Permits) -> None:
    """Wait until the request for these permits, which another caller made, is answered."""
    permits.waiting += 1
    try:
        await asyncio.wait([cast("asyncio.Future[Any]", permits.asking)])
    finally:
        permits.waiting -= 1


def _put_back(question: _Question) -> None:
    for permits, lease in question.taken:
        permits.put_back(lease)


def _verdict_of(
    held: _Held, now: float, counted: Literal["shared", "leased"], *, full: Permits | None = None
) -> LimitVerdict:
    states = tuple([_state(permits, now) for permits in held])
    refused_by = None if full is None else states[held.index(full)]
    return LimitVerdict(refused_by, states, counted)


def _state(permits: Permits, now: float) -> WindowState:
    window = permits.window
    if now < permits.ends:
        return WindowState(window, permits.left + permits.unused, math.ceil(permits.ends - now))
    # Nothing is known of the present window: Redis was not asked since it began.
    return WindowState(window, window.limit, window.seconds - int(time.time()) % window.seconds)
