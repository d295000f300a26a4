"""Permits: the part of a limit that a process has already counted in Redis and may give out by itself.

Pure: every time is given, in seconds of the process's monotonic clock. One `Permits` stands for one window *at
one limit*; when a policy changes the limit, another takes its place, so that permits of the old limit serve
nobody under the new one.
"""

import asyncio
from typing import Any, NamedTuple

from tenants.windows import Window

#: Windows with a smaller limit are exact: each request is counted by Redis on its own.
LEAST_LEASED = 1000

_LEAST_BLOCK, _MOST_BLOCK = 10, 1000

#: Permits are used no longer than this without Redis saying again that their window goes on.
_TRUSTED_SECONDS = 60.0

#: A full window is asked about again after this, though nobody but an idle process can have made room in it.
_FULL_SECONDS = 1.0


def block_of(limit: int, processes: int) -> int:
    """Return how many permits a process takes at once; 0: none, the window is exact.

    A hundredth of the limit, at least 10 and at most 1,000; but no more than all processes together can hold
    without keeping more than a tenth of the limit from each other.
    """
    if limit < LEAST_LEASED:
        return 0
    share = min(max(limit // 100, _LEAST_BLOCK), _MOST_BLOCK)
    return max(1, min(share, limit // (10 * processes)))


class Lease(NamedTuple):
    """What permits hold for: one window, and one connection to Redis (another may lead to one that lost data)."""

    window: int
    """Its number since 1970."""
    connection: int


class Permits:
    """What one process knows of a window, and the permits that it has in hand."""

    __slots__ = (
        "asking",
        "block",
        "counter",
        "ends",
        "full_until",
        "lease",
        "left",
        "trusted_until",
        "unused",
        "used_at",
        "waiting",
        "window",
    )

    def __init__(self, window: Window, *, processes: int) -> None:
        self.window = window
        self.counter = window.counter
        self.block = block_of(window.limit, processes)
        self.unused = 0
        self.left = window.limit
        """What Redis had left when it was last asked; permits in hand are not part of it."""
        self.lease = Lease(-1, 0)
        self.ends = 0.0
        """When that window ends, or a little earlier: the reply's way back is taken off."""
        self.trusted_until = 0.0
        self.full_until = 0.0
        self.used_at = 0.0
        self.asking: asyncio.Future[Any] | None = None
        """The one request for permits that is under way."""
        self.waiting = 0
        """How many callers wait for it."""

    def usable(self, at: float) -> bool:
        """Return whether there is a permit that may still be given out at that time."""
        return self.unused > 0 and at < self.trusted_until

    def wanted(self) -> int:
        """Return how many permits to ask for: a block, and one for each caller that waits for it."""
        return max(1, self.block + self.waiting - self.unused) if self.block else 1

    def use(self, now: float) -> None:
        self.unused -= 1
        self.used_at = now

    def put_back(self, lease: Lease) -> None:
        """Take back a permit of that lease, which then was not used; one of an earlier lease is void."""
        if lease == self.lease:
            self.unused += 1

    def learn(self, *, granted: int, count: int, redis_ms: int, sent_at: float, connection: int) -> None:
        """Take note of Redis' reply to a question that was sent at `sent_at`.

        granted: new permits in hand. count: of the window, these included. redis_ms: Redis' time of day.
        """
        number, into_ms = divmod(redis_ms, self.window.seconds * 1000)
        if (lease := Lease(number, connection)) != self.lease:
            self.lease, self.unused = lease, 0
        self.unused += granted
        self.left = max(0, self.window.limit - count)
        # Redis read its clock after `sent_at`, so the window ends no earlier than this.
        self.ends = sent_at + self.window.seconds - into_ms / 1000
        self.trusted_until = min(self.ends, sent_at + _TRUSTED_SECONDS)
        self.full_until = 0.0 if self.left > 0 else min(self.ends, sent_at + _FULL_SECONDS)
        self.used_at = sent_at

    def give_up(self) -> int:
        """Return how many permits are unused; they are no longer in hand."""
        given, self.unused = self.unused, 0
        self.left += given
        self.full_until = 0.0
        return given

    def idle(self, now: float, seconds: float) -> bool:
        return self.asking is None and now - self.used_at >= seconds
