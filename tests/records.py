"""Records for tests."""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis

from analytics.record import CallRecord
from analytics.wire import FIELD, STREAM, lines_of


def record_of(tenant_id: int = 1, **fields: Any) -> CallRecord:
    """Return a plain successful call of now, with the given fields changed."""
    plain: dict[str, Any] = {
        "id": uuid.uuid4(),
        "tenant_id": tenant_id,
        "started_at": time.time(),
        "key_public_id": "alicekey22",
        "endpoint": "/chat",
        "status": 200,
        "total_ms": 12.5,
        "cache_status": "miss",
    }
    return CallRecord(**{**plain, **fields})


def stream_lines(client: "redis.Redis") -> list[bytes]:
    """Return the records that lie in the stream, oldest first."""
    entries: Any = client.xrange(STREAM)
    return [line for _, fields in entries for line in lines_of(fields[FIELD])]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another task, thread or process; give up after 60 s."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0.02)
