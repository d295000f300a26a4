"""The figures of tenants' pages: this month's totals, asked of Postgres at most once a second per tenant."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from analytics.stats import NANO, parse_query, totals_of_tenant
from analytics.sums import Sums
from tenants.database import TenantDatabase

_FRESH_SECONDS = 0.9
_NOTHING = "\u2013"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of the page as it is shown."""

    name: str
    label: str
    text: str
    hint: str = ""


@dataclass
class _Known:
    """What is known of one tenant, and the lock of whoever asks anew."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = float("-inf")
    figures: list[Figure] = field(default_factory=list)


class LiveStats:
    """Shared by all pages and sockets of a process, so that a hundred open pages ask once."""

    def __init__(self) -> None:
        self._database: TenantDatabase | None = None
        self._known: dict[int, _Known] = {}

    async def open(self) -> None:
        """Keep a small pool from now on, apart from the data plane's so that pages can't use that one up.

        Without it (commands, tests) each question has a connection of its own.
        """
        database = TenantDatabase(max_size=2, wait_seconds=2.0)
        await database.open()
        self._database = database

    async def close(self) -> None:
        """Let go of the pool and of what is known."""
        database, self._database = self._database, None
        self._known.clear()
        if database is not None:
            await database.close()

    async def figures(self, tenant_id: int) -> list[Figure]:
        """Return this month's figures, at most a second old. Raises tenants.database.DATABASE_ERRORS.

        The connection goes back before this returns: sockets must not hold any.
        """
        if self._database is None:
            return await self._ask(tenant_id)
        known = self._known.setdefault(tenant_id, _Known())
        async with known.lock:
            if time.monotonic() - known.at > _FRESH_SECONDS:
                known.figures = await self._ask(tenant_id)
                known.at = time.monotonic()
        return known.figures

    async def _ask(self, tenant_id: int) -> list[Figure]:
        query = parse_query({}, now=datetime.now(UTC))
        async with self._open_database() as database:
            return figures_of(await totals_of_tenant(database, tenant_id, query))

    @asynccontextmanager
    async def _open_database(self) -> AsyncIterator[TenantDatabase]:
        if self._database is not None:
            yield self._database
            return
        database = TenantDatabase(max_size=1, wait_seconds=2.0)
        await database.open()
        try:
            yield database
        finally:
            await database.close()


#: The one of this process.
live = LiveStats()


def figures_of(sums: Sums) -> list[Figure]:
    """Return the figures of a page in their order (pure)."""
    hits = f"{sums.by_status['hit_exact']:,} exact, {sums.by_status['hit_semantic']:,} semantic"
    return [
        Figure(name="requests", label="Requests", text=f"{sums.numbers['requests']:,}"),
        Figure(name="hit_ratio", label="Hit ratio", text=_percent(sums.hit_ratio), hint=hits),
        Figure(name="cost", label="Cost", text=dollars(sums.numbers["cost_nano"])),
        Figure(name="saved", label="Saved", text=dollars(sums.numbers["saved_nano"]), hint="by hits, gross"),
        Figure(name="p50", label="Latency p50", text=_milliseconds(sums.latency_ms(0.5))),
        Figure(name="p95", label="Latency p95", text=_milliseconds(sums.latency_ms(0.95))),
    ]


def dollars(nano: int) -> str:
    """Return nano-USD for people: cents, or as many places as a small sum needs."""
    places = 2 if nano == 0 or abs(nano) >= NANO else 6
    return f"${nano / NANO:,.{places}f}"


def _percent(ratio: float | None) -> str:
    return _NOTHING if ratio is None else f"{ratio:.1%}"


def _milliseconds(ms: float | None) -> str:
    if ms is None:
        return _NOTHING
    return f"{ms / 1000:,.2f} s" if ms >= 1000 else f"{ms:.1f} ms"
