"""Examines the processes behind the queues: broker, embedding worker, housekeeping, ingest."""

import asyncio
from typing import Any

from celery import current_app
from django.conf import settings
from kombu.exceptions import KombuError

from analytics.ingest import DEAD, GROUP, records_waiting
from analytics.wire import STREAM
from caching.breaker import Breaker
from caching.embedding import CeleryEmbedder, EmbeddingUnavailable
from caching.vectors import Vector
from gateway import heartbeat
from gateway.doctor.redis_servers import client
from gateway.doctor.verdicts import Verdict, failed, ok, warning

_NO_TENANT = 0
_EMBEDDING_SECONDS = 3.0
_MISSED_BEATS = 3
_IDLE_INGEST_SECONDS = 30
_BACKLOG_RECORDS = 5000
_BACKLOG_TASKS = 200

_EMBEDDING_REMEDIES = {
    "timeout": "start it (celery -A config worker -Q embeddings), or look why it is so slow",
    "broker": "see the findings on broker and cache_redis",
    "other_embedder": "give it the same EMBEDDING_MODEL and EMBEDDING_URL as this process",
}


def examine_broker() -> Verdict:
    with current_app.connection_for_write() as connection:
        unreachable: tuple[type[BaseException], ...] = (
            KombuError,
            OSError,
            *connection.transport.connection_errors,
        )
        try:
            connection.ensure_connection(max_retries=1, timeout=1)
            waiting = {queue: _length(connection, queue) for queue in ("embeddings", "housekeeping")}
        except unreachable as error:
            return failed(f"not reachable ({type(error).__name__})", "start it, or correct CELERY_BROKER_URL")
    shown = ", ".join(f"{number} waiting in {queue}" for queue, number in waiting.items())
    if max(waiting.values()) > _BACKLOG_TASKS:
        return warning(shown, "start more workers of that queue")
    return ok(shown)


def _length(connection: Any, queue: str) -> int:
    channel = connection.default_channel
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:
        # A queue without messages that nobody has consumed yet does not exist.
        return 0


def examine_embedding_worker() -> Verdict:
    try:
        vector = asyncio.run(_embed())
    except EmbeddingUnavailable as error:
        remedy = _EMBEDDING_REMEDIES.get(error.reason, "see its log")
        return failed(f"did not answer ({error.reason}); L2 is skipped meanwhile", remedy)
    return ok(f"{vector.embedder_id}, {vector.dimension} dimensions")


async def _embed() -> Vector:
    # A cached vector would prove no worker.
    embedder = CeleryEmbedder(budget_seconds=_EMBEDDING_SECONDS, breaker=Breaker(), keep_vectors=False)
    await embedder.start()
    try:
        return await embedder.embed(_NO_TENANT, "Is anybody there?")
    finally:
        await embedder.stop()


def examine_housekeeping() -> Verdict:
    return judge_housekeeping(heartbeat.seconds_since())


def judge_housekeeping(age_s: float | None) -> Verdict:
    """Judge the age of the last scheduled task. None: there never was one. Pure."""
    remedy = "start one beat (celery -A config beat) and a worker of the queue housekeeping"
    if age_s is None:
        return failed("no scheduled task ever ran", remedy)
    shown = f"a scheduled task ran {max(0.0, age_s):.0f} s ago"
    return failed(shown, remedy) if age_s > _MISSED_BEATS * heartbeat.EVERY_SECONDS else ok(shown)


def examine_ingest() -> Verdict:
    with client(settings.REDIS_STATE_URL) as state:
        if not state.exists(STREAM):
            return failed("nobody has opened the record stream yet", "start `manage.py ingest`")
        groups = [each for each in state.xinfo_groups(STREAM) if each["name"] == GROUP.encode()]
        members = state.xinfo_consumers(STREAM, GROUP) if groups else []
        waiting, dead = records_waiting(state), int(state.xlen(DEAD))
    idle_ms = [int(member["idle"]) for member in members]
    return judge_ingest(waiting=waiting, dead=dead, idle_s=min(idle_ms) / 1000 if idle_ms else None)


def judge_ingest(*, waiting: int, dead: int, idle_s: float | None) -> Verdict:
    """Judge the consumer group. idle_s: since its liveliest member last read; None: it has no member. Pure."""
    if idle_s is None:
        return failed(f"{waiting} records wait and nobody reads them", "start `manage.py ingest`")
    shown = f"{waiting} records wait, last read {idle_s:.0f} s ago"
    if idle_s > _IDLE_INGEST_SECONDS:
        return failed(shown, "start `manage.py ingest`, or see its log (it waits while Postgres is away)")
    if dead:
        return warning(f"{shown}; {dead} were refused", "see its log, then `manage.py ingest --revive-dead`")
    if waiting > _BACKLOG_RECORDS:
        return warning(shown, "start another `manage.py ingest`")
    return ok(shown)
