"""The embedding worker's process: its model, loaded once at the start, and its client for replies."""

import logging
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from celery.signals import celeryd_init, worker_process_init

from caching.cache_redis import blocking_client
from caching.cross_encoder import CrossEncoderVerifier, load_cross_encoder
from caching.embedder import EmbeddingFailed, TextEncoder, load_encoder
from caching.vectors import InvalidVector, Vector, vector_of

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

QUEUE = "embeddings"
#: Loading a large model takes minutes; Celery would end a pool process after four seconds of it.
_LOADING_SECONDS = 600.0
#: The web processes' settings give up on the broker at once; a worker has nothing better to do than to wait.
_PATIENT_BROKER = {
    "socket_timeout": 10.0,
    "socket_connect_timeout": 3.0,
    "retry_on_timeout": False,
    "max_retries": None,
}

_consumed: set[str] = set()


@celeryd_init.connect
def prepare(conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Note which queues this worker consumes, and have it outlast an absent broker."""
    queues = options.get("queues") or ()
    _consumed.update(queues.split(",") if isinstance(queues, str) else queues)
    conf.update(
        broker_transport_options=_PATIENT_BROKER,
        broker_connection_timeout=3.0,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_proc_alive_timeout=_LOADING_SECONDS,
    )


@worker_process_init.connect
def load_model(**_: Any) -> None:
    """Load the model before the first text comes; a worker without its model ends."""
    if QUEUE not in _consumed:
        return
    started = time.monotonic()
    try:
        loaded, judging = encoder(), cross_encoder()
    except Exception as error:
        # Model libraries raise anything. A signal's exception would only be logged, hence the exit.
        log.critical("the embedding model cannot be loaded", exc_info=True)
        raise SystemExit(1) from error
    seconds = round(time.monotonic() - started, 1)
    log.warning(
        "embedding worker ready",
        extra={
            "embedder": loaded.embedder_id,
            "verifier": judging.version if judging else None,
            "load_s": seconds,
        },
    )


@cache
def encoder() -> TextEncoder:
    """Return the process's only encoder."""
    return load_encoder()


@cache
def cross_encoder() -> CrossEncoderVerifier | None:
    """Return the process's only cross-encoder, if the settings name one."""
    return load_cross_encoder()


@cache
def replies() -> "redis.Redis":
    """Return the process's only client for replies."""
    return blocking_client()


def encode_each(encoder: TextEncoder, texts: list[str]) -> list[Vector | str]:
    """Return a vector or a reason for each text; a text that breaks the model costs only itself.

    Raises EmbeddingFailed when a remote model can't be asked, and what the model raises when it can't encode
    even a plain word.
    """
    try:
        encoded = encoder.encode(texts)
    except EmbeddingFailed:
        raise
    except Exception:
        # Model libraries raise anything, and one text must not take the others of its batch along.
        if len(texts) > 1:
            return [outcome for text in texts for outcome in encode_each(encoder, [text])]
        log.exception("a text broke the encoder")
        encoder.encode(["word"])
        return ["invalid"]
    return [each if isinstance(each, str) else _checked(encoder.embedder_id, each) for each in encoded]


def _checked(embedder_id: str, values: Any) -> Vector | str:
    try:
        return vector_of(embedder_id, values)
    except InvalidVector as error:
        log.error("the model made a broken vector", extra={"error": str(error)})
        return "invalid"
