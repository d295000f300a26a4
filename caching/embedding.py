"""Questions' vectors from the embedding worker: Celery takes the texts there, a Redis list brings vectors back.

A text is looked up in the tenant's vector cache, gathered with others for two milliseconds, published as one
task in a thread of its own (kombu blocks), and awaited on the list that belongs to this process. All of it
together has one strict budget; after some failures in a row a breaker leaves the worker alone for a while.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID, uuid4

from django.conf import settings

from caching import embedding_frames, metrics
from caching.breaker import Breaker
from caching.cache_redis import REDIS_ERRORS, async_client, reply_key
from caching.embedder import current_embedder_id
from caching.embedding_frames import BrokenFrame
from caching.embedding_publisher import PublishFailed, TaskPublisher
from caching.vector_cache import VectorCache
from caching.vectors import Vector

log = logging.getLogger(__name__)

#: Longer texts aren't sent at all: far beyond any embedder's limit, they would only burden the broker.
MAX_CHARACTERS = 40_000
GATHER_SECONDS = 0.002
MAX_BATCH = 32
_BLOCK_SECONDS = 1.0
_RECONNECT_SECONDS = 0.1


class EmbeddingUnavailable(Exception):
    """There is no vector for a text.

    `reason`: `timeout`, `breaker_open`, `overloaded`, `broker` (the queue or the reply list can't be reached),
    `other_embedder` (the worker has another model than this process expects), `broken_reply`; or, about the
    text itself, `too_long`, `invalid`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def about_text(self) -> bool:
        """Whether no embedder of this kind will ever take the text."""
        return self.reason in ("too_long", "invalid")


class Embedder(Protocol):
    """Makes a text's vector."""

    async def embed(self, tenant_id: int, text: str) -> Vector:
        """Return the vector within the embedder's budget; raises EmbeddingUnavailable."""


class _Batch:
    """Texts that travel together and what their callers wait on."""

    def __init__(self) -> None:
        self.id = uuid4()
        self.texts: list[str] = []
        self.waiting: list[asyncio.Future[Vector]] = []

    def add(self, text: str) -> asyncio.Future[Vector]:
        future: asyncio.Future[Vector] = asyncio.get_running_loop().create_future()
        self.texts.append(text)
        self.waiting.append(future)
        return future

    def refuse(self, reason: str) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_exception(EmbeddingUnavailable(reason))

    def settle(self, outcomes: tuple[Vector | str, ...], embedder_id: str) -> None:
        """Give each caller its outcome; vectors of another embedder than expected are refused."""
        if len(outcomes) != len(self.waiting):
            self.refuse("broken_reply")
            return
        for future, outcome in zip(self.waiting, outcomes, strict=True):
            if future.done():
                metrics.LATE_REPLIES.inc()
            elif isinstance(outcome, str):
                future.set_exception(EmbeddingUnavailable(outcome))
            elif outcome.embedder_id != embedder_id:
                future.set_exception(EmbeddingUnavailable("other_embedder"))
            else:
                future.set_result(outcome)


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
        self._max_in_flight = max_in_flight
        self._breaker = breaker or Breaker(failures_to_open=3, open_seconds=2.0)
        self._embedder_id = current_embedder_id()
        self._process_id = uuid4().hex
        self._redis = async_client()
        self._replies = async_client(max_connections=1, timeout_s=2 * _BLOCK_SECONDS)
        self._vectors = VectorCache(self._redis, embedder_id=self._embedder_id) if keep_vectors else None
        self._publisher = TaskPublisher(self._process_id, self._embedder_id)
        self._in_flight = 0
        self._gathering: _Batch | None = None
        self._sent: dict[UUID, _Batch] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read replies; connect to the broker ahead of the first question."""
        self._reader = asyncio.create_task(self._read_replies(), name="embedding replies")
        await self._publisher.warm_up()

    async def stop(self) -> None:
        """Refuse what still waits and let go of all connections."""
        await _end({task for task in (self._reader, *self._background) if task})
        for batch in (self._gathering, *self._sent.values()):
            if batch is not None:
                batch.refuse("broker")
        self._publisher.close()
        await self._replies.aclose()
        await self._redis.aclose()

    async def embed(self, tenant_id: int, text: str) -> Vector:
        _check(text)
        if self._in_flight >= self._max_in_flight:
            raise EmbeddingUnavailable("overloaded")
        if not self._breaker.allows():
            raise EmbeddingUnavailable("breaker_open")
        self._in_flight += 1
        try:
            return await self._embed(tenant_id, text)
        finally:
            self._in_flight -= 1

    async def _embed(self, tenant_id: int, text: str) -> Vector:
        """Return the vector and tell the breaker how it went."""
        try:
            async with asyncio.timeout(self._budget):
                vector = await self._known_or_asked(tenant_id, text)
        except TimeoutError:
            self._breaker.failed()
            raise EmbeddingUnavailable("timeout") from None
        except REDIS_ERRORS:
            self._breaker.failed()
            raise EmbeddingUnavailable("broker") from None
        except EmbeddingUnavailable as refusal:
            if refusal.about_text:
                self._breaker.succeeded()
            else:
                self._breaker.failed()
            raise
        self._breaker.succeeded()
        return vector

    async def _known_or_asked(self, tenant_id: int, text: str) -> Vector:
        if self._vectors is None:
            return await self._gather(text)
        if vector := await self._vectors.get(tenant_id, text):
            metrics.EMBEDDED_TEXTS.labels(source="cache").inc()
            return vector
        vector = await self._gather(text)
        metrics.EMBEDDED_TEXTS.labels(source="worker").inc()
        self._keep(self._vectors, tenant_id, text, vector)
        return vector

    def _keep(self, vectors: VectorCache, tenant_id: int, text: str, vector: Vector) -> None:
        async def keep() -> None:
            try:
                await vectors.put(tenant_id, text, vector)
            except REDIS_ERRORS as error:
                metrics.UNSTORED.labels(layer="vector", reason=type(error).__name__).inc()

        self._start(keep())

    def _gather(self, text: str) -> asyncio.Future[Vector]:
        """Put the text into the batch of the moment, which leaves when it is full or two milliseconds old.

        While no other batch is under way there is nothing to wait for: it leaves at the loop's next turn.
        """
        if self._gathering is None:
            self._gathering = _Batch()
            wait = GATHER_SECONDS if self._sent else 0.0
            asyncio.get_running_loop().call_later(wait, self._send, self._gathering)
        batch = self._gathering
        future = batch.add(text)
        if len(batch.texts) >= MAX_BATCH:
            self._send(batch)
        return future

    def _send(self, batch: _Batch) -> None:
        if batch is not self._gathering:
            return
        self._gathering = None
        self._sent[batch.id] = batch
        loop = asyncio.get_running_loop()
        loop.call_later(2 * self._budget, self._forget, batch)
        self._start(self._publish(batch, end=time.monotonic() + self._budget))

    async def _publish(self, batch: _Batch, *, end: float) -> None:
        metrics.EMBEDDING_BATCHES.inc()
        try:
            await self._publisher.publish(batch.id, batch.texts, end=end)
        except PublishFailed as error:
            log.debug("texts not published", extra={"reason": str(error)})
            self._sent.pop(batch.id, None)
            batch.refuse("broker")

    def _forget(self, batch: _Batch) -> None:
        """Let go of a batch without a reply.

        Its callers have timed out by now, but for one whose cancellation got lost: until Python 3.12
        `asyncio.wait_for`, under every command of the Redis client, may swallow one.
        """
        self._sent.pop(batch.id, None)
        batch.refuse("timeout")

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
        batch = self._sent.pop(reply.batch, None)
        if batch is None:
            metrics.LATE_REPLIES.inc()
            return
        batch.settle(reply.outcomes, self._embedder_id)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel the tasks until they are done: see CeleryEmbedder._forget for why once may not do."""
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
