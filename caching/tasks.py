"""Celery tasks of the caches: embedding (queue `embeddings`) and sweeping (queue `housekeeping`)."""

import logging
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import task_revoked

from caching import embedding_frames, eviction, score_frames, sweeps, tuning, worker
from caching.cache_redis import REDIS_ERRORS, reply_key
from caching.embedding_frames import EXPIRED

log = logging.getLogger(__name__)

#: A reply that nobody fetched within this time is of no use any more.
_REPLY_TTL_S = 10


@shared_task(name="caching.embed_texts", ignore_result=True)
def embed_texts(*, process_id: str, batch: str, embedder_id: str, texts: list[str]) -> None:
    """Embed the texts with the worker's model and push the frame to the asking process's list."""
    encoder = worker.encoder()
    if encoder.embedder_id != embedder_id:
        log.error("asked for another embedder", extra={"asked": embedder_id, "loaded": encoder.embedder_id})
    outcomes = worker.encode_each(encoder, texts)
    _reply(process_id, embedding_frames.dump(UUID(batch), encoder.embedder_id, outcomes))


@shared_task(name="caching.score_pairs", ignore_result=True)
def score_pairs(*, reply_to: str, version: str, question: str, stored: list[str]) -> None:
    """Score the stored questions beside the question and push the scores to the list that is waited on."""
    verifier = worker.cross_encoder()
    if verifier is None or verifier.version != version:
        log.error("asked for another verifier", extra={"asked": version})
        return
    _push(reply_to, score_frames.dump(verifier.scores(question, stored)))


@task_revoked.connect
def tell_expired(sender: Any, request: Any, expired: bool, **_: Any) -> None:
    """Let the asking process know that its texts came too late: a busy worker must not be taken for a dead one."""
    if expired and sender.name == embed_texts.name and request.reply_to:
        frame = embedding_frames.dump(UUID(request.id), worker.encoder().embedder_id, [EXPIRED])
        _reply(request.reply_to, frame)


def _reply(process_id: str, frame: bytes) -> None:
    _push(reply_key(process_id), frame)


def _push(key: str, frame: bytes) -> None:
    try:
        with worker.replies().pipeline(transaction=False) as pipeline:
            pipeline.rpush(key, frame)
            pipeline.expire(key, _REPLY_TTL_S)
            pipeline.execute()
    except REDIS_ERRORS as error:
        log.warning("reply not delivered", extra={"error": type(error).__name__})


@shared_task(name="caching.sweep_expired", ignore_result=True)
def sweep_expired() -> None:
    """Delete the entries that are past their expiry."""
    sweeps.delete_expired()


@shared_task(name="caching.evict", ignore_result=True)
def evict() -> None:
    """Delete what saves least per byte of tenants that keep more than their policy allows."""
    eviction.evict()


@shared_task(name="caching.ensure_vector_indexes", ignore_result=True)
def ensure_vector_indexes() -> None:
    """Give every embedder that has entries its own vector index."""
    sweeps.ensure_vector_indexes()


@shared_task(name="caching.tune_floors", ignore_result=True)
def tune_floors() -> None:
    """Move the floors of tenants whose audits ask for it."""
    tuning.tune_all()


@shared_task(name="caching.forget_judged", ignore_result=True)
def forget_judged() -> None:
    """Blank the texts of judged pairs whose time is over, and delete the oldest pairs."""
    sweeps.forget_judged()
