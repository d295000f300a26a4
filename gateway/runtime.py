"""The parts of a running web process: made once, found by every request, stopped with the process."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from django.conf import settings

from analytics import metrics
from analytics.live import live
from analytics.record import FinishedCall
from analytics.recording import StreamRecordSink
from caching.asked import RedisAskedStore
from caching.coalescing import Flights
from caching.decision import Verifier
from caching.embedder import current_embedder_id
from caching.embedding import CeleryEmbedder
from caching.exact import RedisExactStore
from caching.judged import PostgresJudgedPairs
from caching.leases import RedisLeases
from caching.memory import AnswerMemory
from caching.semantic import PostgresSemanticStore
from caching.storing import Storer
from caching.verification import CeleryCrossEncoder, cross_encoder_of_settings
from caching.verifier import verifier_for
from gateway import errors, pipeline, tracing
from gateway.admission import Callers
from gateway.attempts import RetryBudget
from gateway.audit_pace import hits_by_records
from gateway.auditing import Auditor
from gateway.burying import bury
from gateway.call import ChatCall, ChatOutcome
from gateway.call_log import CallLog, call_log_of_settings
from gateway.pipeline import Begun
from gateway.refreshing import Refresher
from gateway.relay import Relay
from gateway.upstream import HttpxUpstream
from routing.shared_health import SharedHealth
from tenants.database import TenantDatabase
from tenants.limits import RedisRequestLimiter
from tenants.snapshots import PolicyStore


@dataclass(kw_only=True)
class RunningParts:
    """Everything that requests need of the outside (gateway.parts.Parts and more), and its life."""

    policies: PolicyStore
    callers: Callers
    limiter: RedisRequestLimiter
    database: TenantDatabase
    memory: AnswerMemory
    exact: RedisExactStore
    embedder: CeleryEmbedder
    semantic: PostgresSemanticStore
    verifier_of: Callable[[str], Verifier | None]
    cross_encoder: CeleryCrossEncoder | None
    storer: Storer
    asked: RedisAskedStore
    leases: RedisLeases
    flights: Flights
    refresher: Refresher
    auditor: Auditor
    upstream: HttpxUpstream
    upstream_health: SharedHealth
    retry_budget: RetryBudget
    records: StreamRecordSink
    call_log: CallLog
    draining: bool = False
    relays: "WeakSet[Relay]" = field(default_factory=WeakSet)
    """The streams that are open."""
    answering: "set[asyncio.Task[Any]]" = field(default_factory=set)
    """Those that run a call's pipeline."""
    cutting_off: bool = False
    """Whether calls that have no answer yet are to end without one."""
    ending: set[asyncio.Task[None]] = field(default_factory=set)
    """What `finish_soon` was given and is not done."""

    async def answer(
        self, call: ChatCall, begun: Begun | None = None, relay: Relay | None = None
    ) -> ChatOutcome:
        """Run the pipeline, unless the process is about to end."""
        if self.draining:
            return ChatOutcome(refusal=errors.DRAINING)
        if relay is not None:
            self.relays.add(relay)
        task = asyncio.current_task()
        assert task is not None
        self.answering.add(task)
        try:
            return await tracing.traced(call, pipeline.answer(call, self, begun, relay))
        except asyncio.CancelledError:
            # One more than ours is the caller's, who hung up.
            if not self.cutting_off or task.uncancel() > 0:
                raise
            return ChatOutcome(refusal=errors.DRAINING)
        finally:
            self.answering.discard(task)

    def end_calls(self) -> None:
        """Have open streams end with an error event and all other calls with an error: the server's limit would
        cut them off without a word.
        """
        self.cutting_off = True
        for relay in list(self.relays):
            relay.end_early(errors.DRAINING)
        for task in list(self.answering):
            task.cancel()

    def finish(self, call: FinishedCall) -> None:
        """Take note of an ended call; never waits, never fails the caller."""
        self.records.put(call)
        metrics.observe(call)
        self.call_log.put(call)

    def finish_soon(self, finishing: Coroutine[Any, Any, None]) -> None:
        """Run what takes note of an ended call after some work that nobody waits for."""
        task = asyncio.create_task(finishing)
        self.ending.add(task)
        task.add_done_callback(self.ending.discard)

    async def start(self) -> None:
        await self.database.open()
        await live.open()
        await self.records.start()
        await self.policies.start()
        await self.upstream_health.start()
        await self.embedder.start()
        # The first question shall not wait for the verifier's file.
        await asyncio.to_thread(self.verifier_of, current_embedder_id())

    async def stop(self) -> None:
        """Write what is still to be written, then let go of every connection."""
        await self.refresher.stop()
        await self.auditor.stop()
        await self.flights.close()
        await self.storer.drain()
        if self.ending:
            await asyncio.wait(self.ending)
        await self.records.stop()
        self.call_log.stop()
        await self.embedder.stop()
        if self.cross_encoder is not None:
            await self.cross_encoder.close()
        await self.upstream_health.stop()
        await self.policies.stop()
        await self.limiter.close()
        await self.leases.close()
        await self.exact.close()
        await self.asked.close()
        await self.upstream.aclose()
        await live.close()
        await self.database.close()
        await tracing.stop()


_running: RunningParts | None = None
_starting = asyncio.Lock()


async def parts() -> RunningParts:
    """Return the parts, started by the first who asks."""
    global _running  # noqa: PLW0603 (one process, one set of parts)
    if _running is None:
        async with _starting:
            if _running is None:
                made = _make()
                await made.start()
                _running = made
    return _running


def running() -> RunningParts:
    """Return the parts of a process that has started; RuntimeError before that."""
    if _running is None:
        raise RuntimeError("the gateway has not started")
    return _running


def at_hand() -> RunningParts | None:
    """Return the parts if they are running."""
    return _running


async def stop() -> None:
    global _running
    stopped, _running = _running, None
    if stopped is not None:
        await stopped.stop()


def drain() -> None:
    """Refuse new questions from now on; safe in a signal handler."""
    if _running is not None:
        _running.draining = True


def _make() -> RunningParts:
    database = TenantDatabase()
    exact, leases, embedder, asked = RedisExactStore(), RedisLeases(), CeleryEmbedder(), RedisAskedStore()
    semantic = PostgresSemanticStore(database)
    policies = PolicyStore()
    answering: set[asyncio.Task[Any]] = set()
    return RunningParts(
        policies=policies,
        callers=Callers(policies),
        memory=AnswerMemory(settings.MEMORY_CACHE_BYTES, ttl_s=settings.MEMORY_CACHE_SECONDS),
        limiter=RedisRequestLimiter(),
        database=database,
        exact=exact,
        embedder=embedder,
        semantic=semantic,
        verifier_of=verifier_for,
        cross_encoder=cross_encoder_of_settings(),
        storer=Storer(exact, semantic, embedder, asked),
        asked=asked,
        leases=leases,
        flights=Flights(leases, exact),
        refresher=Refresher(),
        auditor=Auditor(
            PostgresJudgedPairs(database),
            hits_by_records(database),
            bury,
            open_calls=lambda: len(answering),
        ),
        answering=answering,
        upstream=HttpxUpstream(),
        upstream_health=SharedHealth(),
        retry_budget=RetryBudget(),
        records=StreamRecordSink(),
        call_log=call_log_of_settings(),
    )
