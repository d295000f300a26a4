"""Tells live pages, through the channel layer, that a tenant's numbers changed."""

import asyncio
import logging
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

from channels.layers import get_channel_layer

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.2
_SEND_SECONDS = 1.0


def group_of(tenant_id: int) -> str:
    """Return the channel group of a tenant's live pages."""
    return f"stats-{tenant_id}"


class Nudges:
    """Sends on a thread of its own, a few times a second at most; failures are logged and forgotten.

    A lost nudge does no harm: live pages look for themselves every few seconds.
    """

    def __init__(self) -> None:
        self._due: set[int] = set()
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), name="nudges", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._arrived.set()
        self._thread.join(timeout=2 * _SEND_SECONDS)

    def give(self, tenant_ids: Collection[int]) -> None:
        """Nudge the pages of these tenants soon; returns at once and never raises."""
        with self._lock:
            self._due.update(tenant_ids)
        self._arrived.set()

    async def _work(self) -> None:
        while not self._ending.is_set():
            await asyncio.to_thread(self._arrived.wait)
            self._arrived.clear()
            for tenant_id in self._taken():
                await self._send(tenant_id)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _taken(self) -> set[int]:
        with self._lock:
            due, self._due = self._due, set()
        return due

    async def _send(self, tenant_id: int) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await get_channel_layer().group_send(group_of(tenant_id), {"type": "stats.changed"})
        except Exception as error:
            # Whatever the layer raises (each backend has its own errors), recording must go on.
            log.warning("live pages not nudged", extra={"error": type(error).__name__})
