import asyncio

import pytest

from caching.breaker import Breaker
from caching.embedding_frames import EXPIRED, Reply
from caching.embedding_line import MAX_BATCH, PATIENT_BATCH, Batch, EmbeddingLine, EmbeddingUnavailable
from caching.pace import Pace
from caching.vectors import Vector
from tests.caching_values import EMBEDDER, direction

BUDGET = 0.2


class Worker:
    """A line, the batches that it published, and a worker that takes 100 ms for a full batch."""

    def __init__(self, *, max_texts: int = 1_000) -> None:
        self.now = 100.0
        self.published: list[Batch] = []
        self.breaker = Breaker(failures_to_open=2, clock=lambda: self.now)
        self.line = EmbeddingLine(
            self.published.append,
            embedder_id=EMBEDDER,
            breaker=self.breaker,
            pace=Pace(max_batch=MAX_BATCH, first_guess=0.1, clock=lambda: self.now),
            batch_seconds=BUDGET,
            max_texts=max_texts,
            clock=lambda: self.now,
        )

    def ask(self, count: int) -> list[asyncio.Future[Vector]]:
        return [self.line.ask(f"text {number}", end=self.now + BUDGET) for number in range(count)]

    def patient(self, count: int) -> list[asyncio.Future[Vector]]:
        return [self.line.ask_patiently(f"later {number}", end=self.now + 30) for number in range(count)]

    def reply(self, batch: Batch, outcome: Vector | str | None = None, embedder_id: str = EMBEDDER) -> None:
        outcomes = (outcome or direction(1.0),) * (1 if outcome == EXPIRED else len(batch.asked))
        self.line.settle(Reply(batch=batch.id, embedder_id=embedder_id, outcomes=outcomes))

    def answer(self, batch: Batch) -> None:
        self.now += 0.1 * len(batch.asked) / MAX_BATCH
        self.reply(batch)

    @property
    def sizes(self) -> list[int]:
        return [len(batch.asked) for batch in self.published]


@pytest.fixture
def worker() -> Worker:
    return Worker()


def reasons(futures: list[asyncio.Future[Vector]]) -> list[str]:
    return [str(future.exception()) for future in futures]


async def settle_loop() -> None:
    await asyncio.sleep(0.01)


async def test_texts_that_come_while_a_batch_is_out_leave_together_when_it_is_back(worker: Worker) -> None:
    first = worker.ask(1)
    await settle_loop()
    worker.ask(5)
    await settle_loop()
    assert worker.sizes == [1]
    worker.answer(worker.published[0])
    assert worker.sizes == [1, 5]
    assert (await first[0]).dimension == 384


async def test_a_full_batch_leaves_at_once_but_not_a_third(worker: Worker) -> None:
    worker.line._has_room = lambda end: True  # type: ignore[method-assign]
    worker.ask(3 * MAX_BATCH + 1)
    await settle_loop()
    assert worker.sizes == [MAX_BATCH, MAX_BATCH]


async def test_what_would_be_late_is_refused_at_once(worker: Worker) -> None:
    with pytest.raises(EmbeddingUnavailable, match="overloaded"):
        worker.ask(10 * MAX_BATCH)
    assert worker.breaker.state == "closed"


async def test_a_text_that_would_make_others_of_its_batch_late_is_refused(worker: Worker) -> None:
    for _ in range(10):
        worker.ask(MAX_BATCH)
        await settle_loop()
        worker.answer(worker.published[-1])
    early = worker.line.ask("in a hurry", end=worker.now + 0.09)
    with pytest.raises(EmbeddingUnavailable, match="overloaded"):
        worker.ask(MAX_BATCH)
    assert 1 < len(worker.line._waiting) < MAX_BATCH
    early.cancel()


async def test_silence_for_the_whole_budget_counts_and_opens_the_breaker(worker: Worker) -> None:
    for _ in range(2):
        asked = worker.ask(3)
        await settle_loop()
        worker.now += BUDGET
        worker.line.give_up()
        assert reasons(asked) == ["timeout"] * 3
    assert worker.breaker.state == "open"
    with pytest.raises(EmbeddingUnavailable, match="breaker_open"):
        worker.ask(1)


async def test_a_text_that_left_late_says_nothing_of_the_worker(worker: Worker) -> None:
    worker.breaker = worker.line._breaker = Breaker(failures_to_open=1)
    worker.line.ask("short of time", end=worker.now + 0.05)
    await settle_loop()
    worker.now += 0.05
    worker.line.give_up()
    assert worker.breaker.state == "closed"


async def test_a_slow_worker_opens_no_breaker(worker: Worker) -> None:
    for _ in range(5):
        asked = worker.ask(1)
        await settle_loop()
        worker.now += BUDGET
        worker.line.give_up()
        worker.now += 0.1
        worker.reply(worker.published[-1], EXPIRED)
        assert reasons(asked) == ["timeout"]
        worker.now += 2.0
    assert worker.breaker.state == "closed"


async def test_a_worker_believed_too_slow_is_tried_once_a_second(worker: Worker) -> None:
    worker.ask(1)
    await settle_loop()
    worker.now += 3.0
    worker.line.give_up()
    worker.reply(worker.published[-1], EXPIRED)
    probe = worker.ask(1)
    await settle_loop()
    worker.now += BUDGET
    worker.line.give_up()
    assert reasons(probe) == ["timeout"]
    with pytest.raises(EmbeddingUnavailable, match="overloaded"):
        worker.ask(1)
    worker.now += 1.0
    worker.ask(1)


async def test_patient_texts_go_when_nobody_waits_and_in_small_batches(worker: Worker) -> None:
    worker.ask(1)
    worker.patient(PATIENT_BATCH + 3)
    await settle_loop()
    worker.ask(2)
    await settle_loop()
    worker.answer(worker.published[0])
    assert worker.sizes == [1, 2]
    worker.answer(worker.published[1])
    worker.answer(worker.published[2])
    assert worker.sizes == [1, 2, PATIENT_BATCH, 3]


async def test_a_patient_batch_blocks_nobody_for_longer_than_any_other(worker: Worker) -> None:
    patient = worker.patient(1)
    await settle_loop()
    worker.now += BUDGET
    worker.line.give_up()
    assert reasons(patient) == ["timeout"]
    worker.ask(1)
    await settle_loop()
    assert worker.sizes == [1, 1]


async def test_patient_texts_wait_while_the_worker_is_silent(worker: Worker) -> None:
    asked = worker.ask(1)
    await settle_loop()
    worker.patient(1)
    worker.now += BUDGET
    worker.line.give_up()
    await settle_loop()
    assert (worker.sizes, reasons(asked)) == ([1], ["timeout"])
    worker.ask(1)
    await settle_loop()
    worker.answer(worker.published[-1])
    assert worker.sizes == [1, 1, 1]


async def test_patient_texts_beyond_the_bound_are_refused() -> None:
    worker = Worker(max_texts=4)
    worker.patient(4)
    with pytest.raises(EmbeddingUnavailable, match="overloaded"):
        worker.patient(1)
    assert len(worker.ask(1)) == 1


async def test_who_hung_up_is_not_sent(worker: Worker) -> None:
    asked = worker.ask(3)
    asked[1].cancel()
    await settle_loop()
    assert worker.published[0].texts == ["text 0", "text 2"]


@pytest.mark.parametrize(
    ("embedder_id", "count", "reason"), [("another", 2, "other_embedder"), (EMBEDDER, 1, "broken_reply")]
)
async def test_a_reply_of_no_use_counts_against_the_worker(
    worker: Worker, embedder_id: str, count: int, reason: str
) -> None:
    asked = worker.ask(2)
    await settle_loop()
    outcomes = (direction(1.0),) * count
    batch = worker.published[0]
    worker.line.settle(Reply(batch=batch.id, embedder_id=embedder_id, outcomes=outcomes))
    assert reasons(asked) == [reason] * 2
    assert worker.breaker._failures == 1


async def test_a_broker_that_takes_no_batch_counts_once_a_batch(worker: Worker) -> None:
    asked = worker.ask(5)
    await settle_loop()
    worker.line.unpublished(worker.published[0])
    assert reasons(asked) == ["broker"] * 5
    assert worker.breaker.state == "closed"


async def test_closing_leaves_nobody_waiting(worker: Worker) -> None:
    asked = worker.ask(1)
    await settle_loop()
    asked += worker.ask(2) + worker.patient(1)
    worker.line.close()
    assert reasons(asked) == ["broker"] * 4
