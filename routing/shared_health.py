"""What all processes know of keys and targets: each tells the others of what rests, through the state Redis.

One small hash holds what rests now; each process reads it twice a second and writes to it when something begins or
ends to rest here. No call waits for that. Only the one that would probe what rests asks Redis first, since one
probe is enough for all processes. While Redis can't be asked each process goes by what it knows itself.

Nothing of a key is written but its name (health.key_name).
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import redis
from django.conf import settings
from pydantic import TypeAdapter, ValidationError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from routing.health import KEY_RULES, Health, Lane, Outcome, Rest
from tenants.redis_line import RedisLine

log = logging.getLogger(__name__)

RESTS = "hp:upstream:rests"
_PROBE = "hp:upstream:probe:"
_POLL_SECONDS = 0.5
#: How long a Redis that failed isn't asked for probes.
_REST_SECONDS = 1.0
#: What nobody has renewed or ended for so long is of something that isn't configured any more.
_FORGET_SECONDS = 24 * 3600.0
_REST = TypeAdapter(Rest)


class SharedHealth(Health):
    """A Health that is shared by all processes while the state Redis answers."""

    def __init__(self, *, poll_seconds: float = _POLL_SECONDS, **clocks: Any) -> None:
        """clocks: as Health takes them."""
        super().__init__(**clocks)
        self._poll_seconds = poll_seconds
        self._line = RedisLine(settings.REDIS_STATE_URL, timeout_s=settings.REDIS_TIMEOUT_SECONDS)
        self._shared: dict[str, tuple[bytes, Rest | None]] = {}
        """What Redis holds as far as we know: read there, or written and confirmed. None: nothing legible."""
        self._unsaid: dict[str, Rest | None] = {}
        """What it has yet to be told."""
        self._told_over = 0
        """The connection over which it was last told; a server that lost its data is met over another."""
        self._dead_until = 0.0
        self._telling: asyncio.Task[None] | None = None
        self._poller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what rests, and go on looking."""
        await self.exchange()
        self._poller = asyncio.create_task(self._poll(), name="upstream health")

    async def stop(self) -> None:
        tasks = [task for task in (self._poller, self._telling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._line.close()

    async def claim(self, lane: Lane, *, early: bool = False) -> bool:
        names = self._begin_probe(lane, early)
        if not names or time.monotonic() < self._dead_until:
            return bool(names)
        try:
            granted = [await self._lease(name) for name in names]
        except (RedisError, OSError) as error:
            self._dead(error)
            return True
        except asyncio.CancelledError:
            self._leave_to_another(names)
            raise
        if all(granted):
            return True
        self._leave_to_another(names)
        self._release([name for name, grant in zip(names, granted, strict=True) if grant])
        return False

    async def _lease(self, name: str) -> bool:
        lasting = int(KEY_RULES.probe_s * 1000)
        return bool(await self._line.ask("SET", _PROBE + name, "1", "NX", "PX", lasting))

    def note(
        self, lane: Lane, outcome: Outcome, *, probe: bool = False, retry_after: float | None = None
    ) -> None:
        super().note(lane, outcome, probe=probe, retry_after=retry_after)
        if probe:
            self._release([lane.of_key, lane.circuit])

    def changed(self, name: str, rest: Rest | None) -> None:
        self._unsaid[name] = rest
        if self._telling is None and (loop := _running_loop()) is not None:
            self._telling = loop.create_task(self._tell_others(), name="tell upstream health")

    async def exchange(self) -> None:
        """Read what rests and take it over, and write what is yet to be told. A dead Redis changes nothing."""
        try:
            held = await self._line.ask("HGETALL", RESTS)
            self._take_over(dict(zip(held[::2], held[1::2], strict=True)))
            await self._write()
        except (RedisError, OSError) as error:
            self._dead(error)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.exchange()
            except Exception:
                log.exception("upstream health is not shared; trying again")

    async def _tell_others(self) -> None:
        try:
            await self._write()
        except (RedisError, OSError) as error:
            self._dead(error)
        finally:
            self._telling = None

    async def _write(self) -> None:
        """Say what is unsaid; what changes meanwhile is said next time."""
        while unsaid := dict(self._unsaid):
            raws = {name: _REST.dump_json(rest) if rest else None for name, rest in unsaid.items()}
            await asyncio.gather(*(self._write_one(name, raw) for name, raw in raws.items()))
            for name, raw in raws.items():
                # Another writer may have been as quick, or something may have changed meanwhile.
                if name in self._unsaid and self._unsaid[name] == unsaid[name]:
                    del self._unsaid[name]
                if raw is None:
                    self._shared.pop(name, None)
                else:
                    self._shared[name] = (raw, unsaid[name])
            self._told_over = self._line.connection_number

    def _write_one(self, name: str, raw: bytes | None) -> "asyncio.Future[Any]":
        return self._line.ask("HSET", RESTS, name, raw) if raw else self._line.ask("HDEL", RESTS, name)

    def _take_over(self, held: dict[bytes, bytes]) -> None:
        found = {name.decode(errors="replace"): raw for name, raw in held.items()}
        for name, raw in found.items():
            if name not in self._unsaid:
                self._take(name, raw)
        if self._line.connection_number != self._told_over:
            self._say_again(found)
        for name in self._shared.keys() - found.keys() - self._unsaid.keys():
            del self._shared[name]
            self.tell(name, None)
        self._told_over = self._line.connection_number

    def _take(self, name: str, raw: bytes) -> None:
        known, rest = self._shared.get(name, (b"", None))
        if raw != known:
            rest = _read(raw)
            self._shared[name] = (raw, rest)
            self.tell(name, rest)
        if rest is None or self._wall() > rest.until + _kept_for(name):
            self._unsaid[name] = None
            self.tell(name, None)

    def _say_again(self, found: dict[str, bytes]) -> None:
        """Another server than last time, or the same one anew: it may know nothing of what rests."""
        known = self.rests()
        for name in self._shared.keys() & known.keys() - found.keys() - self._unsaid.keys():
            self._unsaid[name] = known[name]

    def _release(self, names: list[str]) -> None:
        if names and _running_loop() is not None and time.monotonic() >= self._dead_until:
            # Not awaited: a lease that stays ends by itself.
            self._line.ask("DEL", *(_PROBE + name for name in names))

    def _dead(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._dead_until:
            log.warning("upstream health is not shared", extra={"error": type(error).__name__})
        self._dead_until = now + _REST_SECONDS


def _read(raw: bytes) -> Rest | None:
    try:
        return _REST.validate_json(raw)
    except ValidationError:
        log.warning("what the state Redis holds as a rest is none")
        return None


def read_rests(held: Mapping[bytes, bytes]) -> dict[str, Rest]:
    """Return what the hash of rests holds, by name; limits that are over are left out."""
    read = {name.decode(errors="replace"): _read(raw) for name, raw in held.items()}
    now = time.time()
    return {
        name: rest
        for name, rest in read.items()
        if rest and not (name.startswith("cool:") and rest.until < now)
    }


def state_redis() -> "redis.Redis":
    """Return a client for pages and commands, which may wait a little."""
    return redis.Redis.from_url(
        settings.REDIS_STATE_URL,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
    )


def _kept_for(name: str) -> float:
    # Limits end by themselves; not at once, since their writer's clock may be behind.
    return 60.0 if name.startswith("cool:") else _FORGET_SECONDS


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
