import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis
from prometheus_client import REGISTRY

from caching import embedding_frames
from caching.breaker import Breaker
from caching.cache_redis import reply_key
from caching.embedding import CeleryEmbedder, EmbeddingUnavailable
from caching.tasks import embed_texts
from caching.vectors import Vector
from tests.caching_values import DIMENSION, EMBEDDER
from tests.embedding_worker import EmbeddingWorker, shared_worker, start_worker
from tests.own_valkey import OwnValkey, own_valkey

PATIENT = 20.0
WORDS = ["river", "mountain", "paper", "lantern", "copper", "violin", "harbour", "meadow", "winter", "engine"]


@pytest.fixture
def worker(cache_redis: "redis.Redis") -> Iterator[EmbeddingWorker]:
    running = shared_worker()
    yield running
    running.thaw()


@pytest.fixture
async def embedder(worker: EmbeddingWorker) -> AsyncIterator[CeleryEmbedder]:
    made = CeleryEmbedder(budget_seconds=PATIENT)
    await made.start()
    yield made
    await made.stop()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def reason_of(embedder: CeleryEmbedder, text: str) -> str:
    with pytest.raises(EmbeddingUnavailable) as refusal:
        await embedder.embed(1, text)
    return refusal.value.reason


async def until_answered(embedder: CeleryEmbedder, text: str) -> Vector:
    for _ in range(600):
        try:
            return await embedder.embed(1, text)
        except EmbeddingUnavailable:
            await asyncio.sleep(0.05)
    raise AssertionError("never answered")


async def until_allowed(breaker: Breaker) -> None:
    for _ in range(600):
        if breaker.allows():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("never allowed")


async def kept_vectors(client: "redis.Redis", tenant_id: int) -> list[bytes]:
    """Return the keys of a tenant's vectors as soon as there is one; they are written behind the reply."""
    for _ in range(600):
        if keys := list(client.scan_iter(match=f"hp:{{{tenant_id}}}:vector:*")):
            return keys
        await asyncio.sleep(0.05)
    raise AssertionError("no vector was kept")


async def test_rephrased_questions_are_closer_than_different_ones(embedder: CeleryEmbedder) -> None:
    asked, rephrased, other = [
        await embedder.embed(1, text)
        for text in ("How do I reset my password?", "How can I reset my password?", "Is it raining in Oslo?")
    ]
    assert asked.similarity(rephrased) > 0.9
    assert asked.similarity(other) < 0.4


async def test_a_vector_is_kept_for_its_tenant_as_four_bytes_a_dimension(
    embedder: CeleryEmbedder, cache_redis: "redis.Redis"
) -> None:
    await embedder.embed(7, "Where is the harbour?")
    keys = await kept_vectors(cache_redis, 7)
    assert [cache_redis.strlen(key) for key in keys] == [4 * DIMENSION]
    assert f"hp:{{7}}:vector:{EMBEDDER}:".encode() in keys[0]
    assert 23 * 3600 < int(cache_redis.ttl(keys[0])) <= 24 * 3600


async def test_a_kept_vector_needs_no_worker_but_only_for_its_tenant(
    embedder: CeleryEmbedder, worker: EmbeddingWorker, cache_redis: "redis.Redis"
) -> None:
    first = await embedder.embed(1, "Where is the meadow?")
    await kept_vectors(cache_redis, 1)
    worker.freeze()
    again = await embedder.embed(1, "Where is the meadow?")
    assert again.to_bytes() == first.to_bytes()
    impatient = CeleryEmbedder(budget_seconds=0.2)
    await impatient.start()
    with pytest.raises(EmbeddingUnavailable):
        await impatient.embed(2, "Where is the meadow?")
    await impatient.stop()


async def test_fifty_texts_at_once_travel_in_a_few_tasks(embedder: CeleryEmbedder) -> None:
    before = metric("halfpenny_embedding_batches_total")
    texts = [f"The {first} and the {second}" for first in WORDS for second in WORDS[:5]]
    vectors = await asyncio.gather(*(embedder.embed(1, text) for text in texts))
    assert len({vector.to_bytes() for vector in vectors}) == 50
    assert metric("halfpenny_embedding_batches_total") - before <= 10


async def test_a_frozen_worker_is_a_timeout_then_skipped_then_taken_back(worker: EmbeddingWorker) -> None:
    clock = [0.0]
    embedder = CeleryEmbedder(
        budget_seconds=1.0, breaker=Breaker(failures_to_open=2, open_seconds=5.0, clock=lambda: clock[0])
    )
    await embedder.start()
    worker.freeze()
    assert [await reason_of(embedder, f"frozen {number}") for number in range(4)] == [
        *("timeout", "timeout"),
        *("breaker_open", "breaker_open"),
    ]
    worker.thaw()

    async def advance() -> None:
        while True:
            clock[0] += 5.0
            await asyncio.sleep(0.01)

    advancing = asyncio.create_task(advance())
    assert (await until_answered(embedder, "thawed")).dimension == DIMENSION
    advancing.cancel()
    await embedder.stop()


async def test_more_texts_than_the_bound_are_refused_at_once(worker: EmbeddingWorker) -> None:
    embedder = CeleryEmbedder(budget_seconds=1.0, max_in_flight=3)
    await embedder.start()
    worker.freeze()
    reasons = await asyncio.gather(*(reason_of(embedder, f"text {number}") for number in range(5)))
    assert sorted(reasons) == ["overloaded", "overloaded", "timeout", "timeout", "timeout"]
    await embedder.stop()


async def test_more_than_the_worker_can_do_in_time_is_refused_and_opens_no_breaker(
    worker: EmbeddingWorker,
) -> None:
    breaker = Breaker(failures_to_open=1)
    embedder = CeleryEmbedder(
        budget_seconds=PATIENT, breaker=breaker, max_in_flight=10_000, keep_vectors=False
    )
    await embedder.start()
    await asyncio.gather(*(embedder.embed(1, f"The {first} again") for first in WORDS))
    embedder._budget = 3.0

    async def outcome(text: str) -> str:
        try:
            await embedder.embed(1, text)
        except EmbeddingUnavailable as refusal:
            return refusal.reason
        return "answered"

    texts = [
        f"The {first} by the {second}, {number}"
        for first in WORDS
        for second in WORDS
        for number in range(50)
    ]
    outcomes = await asyncio.gather(*map(outcome, texts))
    assert {"answered", "overloaded"} <= set(outcomes) <= {"answered", "overloaded", "timeout"}
    assert breaker.state == "closed"
    await embedder.stop()


async def test_a_worker_that_comes_too_late_says_so_and_is_taken_back_at_once(
    worker: EmbeddingWorker,
) -> None:
    breaker = Breaker(failures_to_open=1, open_seconds=1_000_000.0)
    embedder = CeleryEmbedder(budget_seconds=1.0, breaker=breaker)
    await embedder.start()
    worker.freeze()
    assert await reason_of(embedder, "Is it too late?") == "timeout"
    assert not breaker.allows()
    worker.thaw()
    await until_allowed(breaker)
    embedder._budget = PATIENT
    assert (await until_answered(embedder, "And now?")).dimension == DIMENSION
    await embedder.stop()


async def test_a_text_that_nobody_waits_for_gets_its_vector_too(embedder: CeleryEmbedder) -> None:
    patient, asked = await asyncio.gather(
        embedder.embed_patiently(1, "There is time"), embedder.embed(1, "There is no time")
    )
    assert patient.dimension == asked.dimension == DIMENSION


async def test_a_reply_that_nobody_waits_for_is_counted_and_unused(embedder: CeleryEmbedder) -> None:
    before = metric("halfpenny_embedding_late_replies_total")
    embedder._settle(embedding_frames.dump(uuid4(), EMBEDDER, ["invalid"]))
    assert metric("halfpenny_embedding_late_replies_total") == before + 1


async def test_vectors_of_another_model_are_refused(embedder: CeleryEmbedder) -> None:
    embedder._line._embedder_id = "another-model"
    assert await reason_of(embedder, "Which model is this?") == "other_embedder"


async def test_a_hang_up_leaves_the_embedder_usable(embedder: CeleryEmbedder) -> None:
    calls = [asyncio.create_task(embedder.embed(1, f"hang up {number}")) for number in range(5)]
    await asyncio.sleep(0)
    for call in calls[:4]:
        call.cancel()
    assert (await calls[4]).dimension == DIMENSION
    assert (len(embedder._line._waiting), embedder._line._under_way) == (0, {})


async def test_texts_that_are_too_long_are_refused_here_or_by_the_worker(embedder: CeleryEmbedder) -> None:
    assert await reason_of(embedder, "word " * 1_000) == "too_long"
    assert await reason_of(embedder, "word " * 200_000) == "too_long"


def test_poison_costs_only_itself(worker: EmbeddingWorker, cache_redis: "redis.Redis") -> None:
    texts = ["fine", "a\0b", "\ud800\udfff", "\ud800", "", "word " * 50_000, "also fine"]
    pid, batch = worker.pid, uuid4()
    embed_texts.apply_async(
        kwargs={"process_id": "poison", "batch": str(batch), "embedder_id": EMBEDDER, "texts": texts},
        queue="embeddings",
    )
    while not (frame := cache_redis.lpop(reply_key("poison"))):
        time.sleep(0.05)
    assert isinstance(frame, bytes)
    reply = embedding_frames.load(frame)
    assert reply.batch == UUID(str(batch))
    assert len(reply.outcomes) == len(texts)
    assert all(isinstance(reply.outcomes[place], Vector) for place in (0, 6))
    assert reply.outcomes[5] == "too_long"
    assert worker.pid == pid


@pytest.fixture
def own_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnValkey]:
    with own_valkey(tmp_path / "broker") as server:
        monkeypatch.setenv("CELERY_BROKER_WRITE_URL", server.url)
        yield server


async def test_a_frozen_broker_is_bounded_and_blocks_nobody_else(
    own_broker: OwnValkey, cache_redis: "redis.Redis"
) -> None:
    embedder = CeleryEmbedder(budget_seconds=0.6)
    await embedder.start()
    own_broker.freeze()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    reasons = [await reason_of(embedder, f"text {number}") for number in range(4)]
    ticking.cancel()
    assert set(reasons[:3]) <= {"timeout", "broker"}
    assert reasons[3] == "breaker_open"
    assert ticks > 10
    await embedder.stop()


async def test_a_dead_broker_is_told(own_broker: OwnValkey, cache_redis: "redis.Redis") -> None:
    own_broker.stop()
    embedder = CeleryEmbedder(budget_seconds=PATIENT)
    await embedder.start()
    assert await reason_of(embedder, "Is anybody there?") == "broker"
    await embedder.stop()


async def test_a_prefork_worker_loads_its_model_and_outlasts_a_broker_that_goes_away(
    own_broker: OwnValkey, cache_redis: "redis.Redis"
) -> None:
    worker = start_worker("prefork-worker", pool="prefork", broker_url=own_broker.url)
    pid = worker.pid
    embedder = CeleryEmbedder(budget_seconds=2.0, breaker=Breaker(failures_to_open=1_000_000))
    await embedder.start()
    assert (await until_answered(embedder, "before")).dimension == DIMENSION
    own_broker.stop()
    assert await reason_of(embedder, "meanwhile") in ("broker", "timeout")
    own_broker.start()
    assert (await until_answered(embedder, "after")).dimension == DIMENSION
    assert (worker.pid, worker.log.read_text().count("embedding worker ready")) == (pid, 1)
    await embedder.stop()
    worker.stop()
