"""Keeps answers after the caller has them: L1 at once, L2 soon, none of it awaited by a call."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from caching import metrics
from caching.answers import StoredAnswer
from caching.asked import AskedHit, AskedStore
from caching.embedding import Embedder, EmbeddingUnavailable
from caching.exact import CacheUnavailable, ExactStore
from caching.fingerprint import Fingerprints
from caching.semantic import NewEntry, SemanticStore, SemanticUnavailable
from caching.vectors import Vector

log = logging.getLogger(__name__)

_EXACT_SECONDS = 0.5
#: Writes must leave the small database pool to the searches, which somebody waits for.
_SEMANTIC_WRITES = 2


class Storer:
    """Writes answers in background tasks. Failures are logged and counted, never raised to a caller."""

    def __init__(
        self,
        exact: ExactStore,
        semantic: SemanticStore,
        embedder: Embedder,
        asked: AskedStore,
        *,
        max_pending: int = 1000,
    ) -> None:
        """max_pending: writes beyond it are dropped and counted."""
        self._exact = exact
        self._semantic = semantic
        self._embedder = embedder
        self._asked = asked
        self._max_pending = max_pending
        self._pending: set[asyncio.Task[None]] = set()
        self._entering: dict[tuple[int, bytes], asyncio.Task[None]] = {}
        """Writes into L2 under way, by tenant and fingerprint."""
        self._semantic_writes = asyncio.Semaphore(_SEMANTIC_WRITES)

    def store(
        self,
        tenant_id: int,
        prints: Fingerprints,
        answer: StoredAnswer,
        *,
        vector: Vector | None = None,
        exact: bool,
        semantic: bool,
    ) -> None:
        """Begin to keep a complete answer until its `expires_at`.

        vector: of `prints.text`; without one the text is embedded when the worker has nothing
        more urgent to do. exact, semantic: which layers keep it.
        Raises ValueError for an answer that isn't complete.
        """
        if answer.finish_reason != "stop":
            raise ValueError(f"an answer that ended by {answer.finish_reason!r} is never kept")
        if exact:
            self._begin("exact", self._store_exact(tenant_id, prints.exact, answer))
        if semantic and prints.text:
            entering = self._begin("semantic", self._store_semantic(tenant_id, prints, answer, vector))
            if entering is not None:
                place = tenant_id, prints.exact
                self._entering[place] = entering
                entering.add_done_callback(lambda _: self._entering.pop(place, None))

    def copy_to_exact(self, tenant_id: int, prints: Fingerprints, answer: StoredAnswer) -> None:
        """Begin to keep a semantic hit's answer for exact hits too; entry and expiry stay the entry's."""
        self._begin("exact", self._store_exact(tenant_id, prints.exact, answer))

    def remember(self, tenant_id: int, request_id: UUID, hit: AskedHit, *, expires_at: float) -> None:
        """Begin to keep what a semantic hit was asked, for feedback; expires_at: the entry's, Unix seconds."""
        self._begin("asked", self._remember(tenant_id, request_id, hit, expires_at))

    async def attach(
        self, tenant_id: int, prints: Fingerprints, answer: StoredAnswer, vector: Vector, *, to: UUID
    ) -> bool:
        """Make a question that has just been stored an alias of another entry; waits for that.

        Return False if there is no such entry. Raises SemanticUnavailable.
        """
        if entering := self._entering.get((tenant_id, prints.exact)):
            await asyncio.wait({entering})
        entry = NewEntry(
            fingerprint=prints.exact, scope=prints.scope, vector=vector, question=prints.text, answer=answer
        )
        async with self._semantic_writes:
            return await self._semantic.attach(tenant_id, entry, to=to)

    async def drain(self) -> None:
        """Wait for all writes that have begun, also those that they begin."""
        while self._pending:
            await asyncio.gather(*self._pending, return_exceptions=True)

    def _begin(self, layer: str, write: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
        """Begin the write; None: there are too many."""
        if len(self._pending) >= self._max_pending:
            write.close()
            metrics.UNSTORED.labels(layer=layer, reason="overloaded").inc()
            return None
        task = asyncio.create_task(_counted(layer, write))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return task

    async def _remember(self, tenant_id: int, request_id: UUID, hit: AskedHit, expires_at: float) -> None:
        async with asyncio.timeout(_EXACT_SECONDS):
            await self._asked.put(tenant_id, request_id, hit, expires_at=expires_at)

    async def _store_exact(self, tenant_id: int, fingerprint: bytes, answer: StoredAnswer) -> None:
        async with asyncio.timeout(_EXACT_SECONDS):
            await self._exact.put(tenant_id, fingerprint, answer, ttl_s=answer.expires_at - time.time())

    async def _store_semantic(
        self, tenant_id: int, prints: Fingerprints, answer: StoredAnswer, vector: Vector | None
    ) -> None:
        vector = vector or await self._embedder.embed_patiently(tenant_id, prints.text)
        entry = NewEntry(
            fingerprint=prints.exact, scope=prints.scope, vector=vector, question=prints.text, answer=answer
        )
        async with self._semantic_writes:
            kept = await self._semantic.add(tenant_id, entry)
        if not kept:
            # Staff's own answer stands there: the new one must not serve out of L1 in its place.
            await self._exact.drop(tenant_id, prints.exact)


async def _counted(layer: str, write: Coroutine[Any, Any, None]) -> None:
    """Run the write; count and log what became of a failed one."""
    try:
        await write
    except (CacheUnavailable, SemanticUnavailable, EmbeddingUnavailable) as error:
        _unstored(layer, error.reason)
    except TimeoutError:
        _unstored(layer, "timeout")
    except Exception:
        # Nobody awaits the task: an error of our own would vanish with it.
        log.exception("answer not kept", extra={"layer": layer})
        metrics.UNSTORED.labels(layer=layer, reason="bug").inc()


def _unstored(layer: str, reason: str) -> None:
    metrics.UNSTORED.labels(layer=layer, reason=reason).inc()
    log.info("answer not kept", extra={"layer": layer, "reason": reason})
