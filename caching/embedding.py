"""Questions' vectors from the embedding worker: Celery takes the texts there, a Redis list brings vectors back.

A text is looked up in the tenant's vector cache, queued (embedding_line), published in a batch in a thread of its
own (kombu blocks), and awaited on the list that belongs to this process. All of it together has one strict budget.
What would not be answered within it is refused at once; a breaker leaves a silent worker alone for a while.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import uuid4

from django.conf import settings

from caching import embedding_frames, metrics
from caching.breaker import Breaker
from caching.cache_redis import REDIS_ERRORS, async_client, reply_key
from caching.embedder import current_embedder_id
from caching.embedding_frames import BrokenFrame
from caching.embedding_line import MAX_BATCH, Batch, EmbeddingLine, EmbeddingUnavailable
from caching.embedding_publisher import PublishFailed, TaskPublisher
from caching.pace import Pace
from caching.tasks import embed_texts
from caching.vector_cache import VectorCache
from caching.vectors import Vector
from tenants.redis_line import RedisLine

__all__ = ["CeleryEmbedder", "Embedder", "EmbeddingUnavailable"]

log = logging.getLogger(__name__)

#: Longer texts aren't sent at all: far beyond any embedder's limit, they would only burden the broker.
MAX_CHARACTERS = 40_000
#: How long a text may wait for an idle worker when no call waits for its vector.
PATIENT_SECONDS = 30.0
#: Until the first reply a full batch is thought to take this long, about what one core needs for a small model.
_FIRST_GUESS_SECONDS = 0.1
#: The ends of a text and of its batch are one moment, told by two timers.
_TIMER_SECONDS = 0.002
_BLOCK_SECONDS = 1.0
_RECONNECT_SECONDS = 0.1


class Embedder(Protocol):
    """Makes a text's vector."""

    async def embed(self, tenant_id: int, text: str) -> Vector:
        """Return the vector within the embedder's budget; raises EmbeddingUnavailable."""

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        """Return the vector once nobody else needs the embedder; raises EmbeddingUnavailable after a while."""


class CeleryEmbedder:
    """The embedding worker as an Embedder. Belongs to the event loop that called `start`."""

    def __init__(
        self,
        *,
        budget_seconds: float | None = None,
        max_in_flight: int = 256,
        breaker: Breaker | None = None,
        keep_vectors: bool = True,
    ) -> None:
        """budget_seconds: for lookup, publish and wait together; None: EMBEDDING_BUDGET_SECONDS.

        max_in_flight: texts beyond it are refused at once. keep_vectors: whether the vector cache is used.
        """
        self._budget = settings.EMBEDDING_BUDGET_SECONDS if budget_seconds is None else budget_seconds
        self._embedder_id = current_embedder_id()
        self._process_id = uuid4().hex
        self._redis = RedisLine(settings.REDIS_CACHE_URL, timeout_s=settings.REDIS_TIMEOUT_SECONDS)
        self._replies = async_client(max_connections=1, timeout_s=2 * _BLOCK_SECONDS)
        self._vectors = VectorCache(self._redis, embedder_id=self._embedder_id) if keep_vectors else None
        self._lookups = Breaker(failures_to_open=3, open_seconds=2.0)
        self._publisher = TaskPublisher(embed_texts, reply_to=self._process_id)
        self._line = EmbeddingLine(
            self._begin_to_publish,
            embedder_id=self._embedder_id,
            breaker=breaker or Breaker(failures_to_open=3, open_seconds=2.0),
            pace=Pace(max_batch=MAX_BATCH, first_guess=_FIRST_GUESS_SECONDS),
            batch_seconds=self._budget,
            max_texts=max_in_flight,
        )
        self._background: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read replies; connect to the broker ahead of the first question."""
        self._reader = asyncio.create_task(self._read_replies(), name="embedding replies")
        await self._publisher.warm_up()

    async def stop(self) -> None:
        """Refuse what still waits and let go of all connections."""
        await _end({task for task in (self._reader, *self._background) if task})
        self._line.close()
        self._publisher.close()
        await self._replies.aclose()
        await self._redis.close()

    async def embed(self, tenant_id: int, text: str) -> Vector:
        return await self._embed(tenant_id, text, seconds=self._budget, patiently=False)

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        return await self._embed(tenant_id, text, seconds=PATIENT_SECONDS, patiently=True)

    async def _embed(self, tenant_id: int, text: str, *, seconds: float, patiently: bool) -> Vector:
        _check(text)
        end = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                if vector := await self._known(tenant_id, text):
                    return vector
                ask = self._line.ask_patiently if patiently else self._line.ask
                vector = await ask(text, end=end)
        except TimeoutError:
            self._line.give_up(spare_seconds=_TIMER_SECONDS)
            raise EmbeddingUnavailable("timeout") from None
        metrics.EMBEDDED_TEXTS.labels(source="worker").inc()
        self._keep(tenant_id, text, vector)
        return vector

    async def _known(self, tenant_id: int, text: str) -> Vector | None:
        """Return the kept vector, if any. Raises EmbeddingUnavailable without Redis, which also brings replies."""
        if self._vectors is None:
            return None
        if not self._lookups.allows():
            raise EmbeddingUnavailable("breaker_open")
        try:
            vector = await self._vectors.get(tenant_id, text)
        except REDIS_ERRORS:
            self._lookups.failed()
            raise EmbeddingUnavailable("broker") from None
        self._lookups.succeeded()
        if vector is not None:
            metrics.EMBEDDED_TEXTS.labels(source="cache").inc()
        return vector

    def _keep(self, tenant_id: int, text: str, vector: Vector) -> None:
        """Begin to put the vector into the vector cache."""
        if self._vectors is not None:
            self._start(_keep(self._vectors, tenant_id, text, vector))

    def _begin_to_publish(self, batch: Batch) -> None:
        self._start(self._publish(batch))

    async def _publish(self, batch: Batch) -> None:
        metrics.EMBEDDING_BATCHES.inc()
        fields = {
            "process_id": self._process_id,
            "batch": str(batch.id),
            "embedder_id": self._embedder_id,
            "texts": batch.texts,
        }
        try:
            await self._publisher.publish(batch.id, fields, end=batch.end)
        except PublishFailed as error:
            log.debug("texts not published", extra={"reason": str(error)})
            self._line.unpublished(batch)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _read_replies(self) -> None:
        """Hand every reply to its batch, for ever; an unreachable Redis is asked again and again."""
        key = reply_key(self._process_id)
        while True:
            try:
                popped = await self._replies.blpop([key], timeout=_BLOCK_SECONDS)
            except REDIS_ERRORS as error:
                log.debug("replies not read", extra={"error": type(error).__name__})
                await asyncio.sleep(_RECONNECT_SECONDS)
                continue
            if popped is not None and isinstance(popped[1], bytes):
                self._settle(popped[1])

    def _settle(self, frame: bytes) -> None:
        try:
            reply = embedding_frames.load(frame)
        except BrokenFrame as error:
            metrics.BROKEN_VALUES.labels(layer="reply").inc()
            log.warning("broken reply of the embedding worker", extra={"error": str(error)})
            return
        self._line.settle(reply)


async def _keep(vectors: VectorCache, tenant_id: int, text: str, vector: Vector) -> None:
    try:
        await vectors.put(tenant_id, text, vector)
    except REDIS_ERRORS as error:
        metrics.UNSTORED.labels(layer="vector", reason=type(error).__name__).inc()


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel the tasks until they are done.

    Once may not do: until Python 3.12 `asyncio.wait_for`, under every command of the Redis client, may swallow a
    cancellation.
    """
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.1)


def _check(text: str) -> None:
    """Refuse what no worker should see; raises EmbeddingUnavailable."""
    if len(text) > MAX_CHARACTERS:
        raise EmbeddingUnavailable("too_long")
    if not text.strip() or "\0" in text or not _is_unicode(text):
        raise EmbeddingUnavailable("invalid")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
