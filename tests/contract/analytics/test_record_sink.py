"""What every record sink promises, run against the one in memory and the one that writes to the stream."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis

from analytics.record import CallRecord, PreparedRecord
from analytics.recording import RecordSink, StreamRecordSink
from analytics.testing import MemoryRecordSink
from analytics.wire import decode
from tests.records import record_of, stream_lines

Case = tuple[RecordSink, Callable[[], Awaitable[list[CallRecord]]]]


@pytest.fixture(params=["memory", "stream"])
async def sink_and_taken(request: pytest.FixtureRequest, state_redis: "redis.Redis") -> AsyncIterator[Case]:
    if request.param == "memory":
        memory = MemoryRecordSink()
        yield memory, lambda: _done(memory.records)
        return
    sink = StreamRecordSink()
    await sink.start()

    async def taken() -> list[CallRecord]:
        await sink.stop()
        return [decode(line) for line in stream_lines(state_redis)]

    yield sink, taken
    await sink.stop()


async def _done(records: list[CallRecord]) -> list[CallRecord]:
    return records


async def test_what_is_put_arrives_in_order(sink_and_taken: Case) -> None:
    sink, taken = sink_and_taken
    records = [record_of(tags=("a", "b"), decision={"similarity": 0.9, "n": [i]}) for i in range(450)]
    for record in records:
        sink.put(record)
    assert [record.id for record in await taken()] == [record.id for record in records]


async def test_a_record_arrives_as_it_was(sink_and_taken: Case) -> None:
    sink, taken = sink_and_taken
    record = record_of(entry_id=uuid.uuid4(), attempts=[{"target": "small-1"}], tags=("x",), saved_nano=2**40)
    sink.put(record)
    assert await taken() == [record]


async def test_a_repeated_call_arrives_as_a_whole_record(sink_and_taken: Case) -> None:
    sink, taken = sink_and_taken
    prepared = PreparedRecord(record_of(cache_status="hit_exact", model="small-1", tags=("x",)))
    calls = [prepared.at(uuid.uuid4(), 1.5 + number, 0.125, f"caller-{number}") for number in range(3)]
    for call in calls:
        sink.put(call)
    assert await taken() == [call.whole() for call in calls]


@pytest.mark.parametrize("decision", [{"text": "\ud800"}, {"huge": 2**70}, {1: {2: 3}}, {"odd": object()}])
async def test_putting_a_record_that_is_hard_to_write_raises_nothing(
    sink_and_taken: Case, decision: dict[str, object]
) -> None:
    sink, taken = sink_and_taken
    record = record_of(decision=decision)
    sink.put(record)
    assert [arrived.id for arrived in await taken()] == [record.id]
