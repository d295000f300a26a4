"""Asks the embedding worker's cross-encoder: a Celery task takes a question and its neighbours there, a Redis list
of its own brings the scores back. All of it has one strict budget, and a breaker leaves a silent worker alone.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID, uuid4

from django.conf import settings

from caching import metrics, score_frames
from caching.breaker import Breaker
from caching.cache_redis import REDIS_ERRORS, async_client, scores_key
from caching.cross_encoder import KnownScores, version_of
from caching.decision import Verifier
from caching.embedding_publisher import PublishFailed, TaskPublisher
from caching.score_frames import BrokenScores
from caching.tasks import score_pairs

#: Calls that wait for scores at once, each on a connection of its own; further ones go on without L2.
_MOST_WAITING = 16
_REPLY_MARGIN_S = 0.2


class VerifierUnavailable(Exception):
    """No scores came. `reason`: `timeout`, `broker`, `breaker_open`, `overloaded`, `broken_reply`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RemoteVerifier(Protocol):
    """A verifier that has to be waited for."""

    async def judge(self, question: str, stored: Sequence[str]) -> Verifier:
        """Return a Verifier that knows the scores of these stored questions; raises VerifierUnavailable."""


class CeleryCrossEncoder:
    """The embedding worker's cross-encoder as a RemoteVerifier. Belongs to one event loop."""

    def __init__(self, name: str, *, budget_seconds: float | None = None) -> None:
        """name: as the worker's settings have it. budget_seconds: None: CROSS_ENCODER_BUDGET_SECONDS."""
        self._version = version_of(name)
        self._budget = settings.CROSS_ENCODER_BUDGET_SECONDS if budget_seconds is None else budget_seconds
        self._redis = async_client(max_connections=_MOST_WAITING, timeout_s=self._budget + _REPLY_MARGIN_S)
        self._publisher = TaskPublisher(score_pairs, reply_to="")
        self._breaker = Breaker(failures_to_open=3, open_seconds=2.0)
        self._waiting = 0

    async def judge(self, question: str, stored: Sequence[str]) -> Verifier:
        texts = list(dict.fromkeys(stored))
        scores = await self._scores(question, texts) if texts else []
        return KnownScores(version=self._version, scores=dict(zip(texts, scores, strict=True)))

    async def close(self) -> None:
        self._publisher.close()
        await self._redis.aclose()

    async def _scores(self, question: str, stored: list[str]) -> list[float]:
        if self._waiting >= _MOST_WAITING:
            raise VerifierUnavailable("overloaded")
        if not self._breaker.allows():
            raise VerifierUnavailable("breaker_open")
        self._waiting += 1
        try:
            scores = await self._ask(uuid4(), question, stored)
        except VerifierUnavailable:
            self._breaker.failed()
            raise
        finally:
            self._waiting -= 1
        self._breaker.succeeded()
        return scores

    async def _ask(self, question_id: UUID, question: str, stored: list[str]) -> list[float]:
        key = scores_key(question_id.hex)
        fields = {"reply_to": key, "version": self._version, "question": question, "stored": stored}
        try:
            async with asyncio.timeout(self._budget):
                await self._publisher.publish(question_id, fields, end=time.monotonic() + self._budget)
                popped = await self._redis.blpop([key], timeout=self._budget)
        except TimeoutError:
            raise VerifierUnavailable("timeout") from None
        except (PublishFailed, *REDIS_ERRORS):
            raise VerifierUnavailable("broker") from None
        if popped is None or not isinstance(popped[1], bytes):
            raise VerifierUnavailable("timeout")
        try:
            return score_frames.load(popped[1], count=len(stored))
        except BrokenScores:
            metrics.BROKEN_VALUES.labels(layer="scores").inc()
            raise VerifierUnavailable("broken_reply") from None


def cross_encoder_of_settings() -> CeleryCrossEncoder | None:
    """Return the one that the settings name, if any."""
    return CeleryCrossEncoder(settings.CROSS_ENCODER) if settings.CROSS_ENCODER else None
