"""The parts of a running web process: made once per event loop, found by every request."""

import asyncio
from dataclasses import dataclass, field

from django.conf import settings

from analytics import metrics
from analytics.record import CallRecord
from analytics.recording import RecordSink, StreamRecordSink
from caching.embedding import CeleryEmbedder, Embedder
from caching.exact import ExactStore, RedisExactStore
from caching.semantic import PostgresSemanticStore, SemanticStore
from caching.storing import Storer
from gateway import pipeline
from gateway.attempts import RetryBudget
from gateway.call import ChatCall, ChatOutcome
from gateway.upstream import HttpxUpstream, Upstream
from tenants.database import TenantDatabase
from tenants.limits import RedisRequestLimiter, RequestLimiter
from tenants.snapshots import PolicyStore


@dataclass(kw_only=True)
class Parts:
    """Everything that a request needs of the outside, each behind its small protocol."""

    policies: PolicyStore
    limiter: RequestLimiter
    database: TenantDatabase
    exact: ExactStore
    embedder: Embedder
    semantic: SemanticStore
    storer: Storer
    upstream: Upstream
    retry_budget: RetryBudget
    records: RecordSink
    draining: bool = False
    closers: list[object] = field(default_factory=list)

    async def answer(self, call: ChatCall) -> ChatOutcome:
        return await pipeline.answer(call, self)

    def finish(self, record: CallRecord) -> None:
        """Take note of an ended call; never waits, never fails the caller."""
        self.records.put(record)
        metrics.observe(record)
