"""The socket of a tenant's page: pushes its figures when they change, once a second at most."""

import asyncio
import logging
import random
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from analytics.live import Figure, live
from analytics.nudges import group_of
from analytics.selectors import tenant_of_page
from tenants.database import DATABASE_ERRORS
from tenants.models import Tenant, User

log = logging.getLogger(__name__)

_PUSH_SECONDS = 1.0
# Without a nudge (Redis away, or one lost) the page is still never older than this.
_LOOK_SECONDS = 10.0
_CHECK_SECONDS = 30.0
_NOT_ALLOWED = 4404
_FAILED = 1011


class StatsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One open page. The tenant is found on the server; what the browser sends is ignored."""

    async def connect(self) -> None:
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        tenant = await self._allowed_tenant()
        if tenant is None:
            await self.close(code=_NOT_ALLOWED)
            return
        self.groups = [group_of(tenant.pk)]
        await self._join(self.groups[0])
        await self.accept()
        self._work = asyncio.create_task(self._live(tenant.pk), name="live page")

    async def disconnect(self, code: int) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Ignore whatever the browser says."""

    async def stats_changed(self, event: dict[str, Any]) -> None:
        """The tenant has new rows (sent by ingest)."""
        self._changed.set()

    async def _join(self, group: str) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self.channel_layer.group_add(group, self.channel_name)
        except Exception as error:
            # Each backend raises its own errors; the page then lives on looking for itself.
            log.warning("live page not in its group", extra={"error": type(error).__name__})

    async def _live(self, tenant_id: int) -> None:
        try:
            await self._push_changes(tenant_id)
        except Exception:
            log.exception("live page failed")
            await self.close(code=_FAILED)

    async def _push_changes(self, tenant_id: int) -> None:
        sent: list[Figure] | None = None
        # Pages that reconnect all at once must not be checked all at once ever after.
        check_at = time.monotonic() + random.uniform(0.5, 1) * _CHECK_SECONDS  # noqa: S311 (no secret)
        while True:
            if time.monotonic() >= check_at:
                check_at = time.monotonic() + _CHECK_SECONDS
                if not await self._still_allowed(tenant_id):
                    await self.close(code=_NOT_ALLOWED)
                    return
            sent = await self._push(tenant_id, sent)
            await asyncio.sleep(_PUSH_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)
            self._changed.clear()

    async def _push(self, tenant_id: int, sent: list[Figure] | None) -> list[Figure] | None:
        try:
            figures = await live.figures(tenant_id)
        except DATABASE_ERRORS as error:
            log.warning("live page without figures", extra={"error": type(error).__name__})
            return sent
        if figures != sent:
            shown = {"figures": [asdict(figure) for figure in figures]}
            await self.send(text_data=orjson.dumps(shown).decode())
        return figures

    async def _still_allowed(self, tenant_id: int) -> bool:
        try:
            tenant = await self._allowed_tenant()
        except DATABASE_ERRORS:
            return True
        return tenant is not None and tenant.pk == tenant_id

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _allowed_tenant(self) -> Tenant | None:
        """Ask the tables again: the person, the login and the membership may be gone."""
        session = self.scope.get("session")
        if session is None or not session.session_key or not session.exists(session.session_key):
            return None
        user = User.objects.filter(pk=self.scope["user"].pk or 0, is_active=True).first()
        return tenant_of_page(user, self.scope["url_route"]["kwargs"]["slug"]) if user else None
