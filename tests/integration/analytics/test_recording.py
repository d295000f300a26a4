import json
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from analytics.metrics import RECORDS_LOST, RECORDS_SPOOLED
from analytics.recording import StreamRecordSink
from analytics.spool import Spool
from analytics.wire import MOST_RECORDS, STREAM, decode, encode
from tests.records import record_of, stream_lines, until

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def spool_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.RECORD_SPOOL_DIR = tmp_path / "spool"
    return tmp_path / "spool"


@pytest.fixture
def full_redis(state_redis: "redis.Redis") -> Iterator["redis.Redis"]:
    state_redis.config_set("maxmemory", 1)
    yield state_redis
    state_redis.config_set("maxmemory", 0)


def _ids(client: "redis.Redis") -> list[str]:
    return [str(decode(line).id) for line in stream_lines(client)]


def _spooled(folder: Path) -> list[str]:
    return [
        json.loads(line)["id"] for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()
    ]


def _replayed(folder: Path) -> bool:
    return not any(folder.glob("*.jsonl"))


def _modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def _leave_a_file_with_a_torn_line(folder: Path, line: bytes) -> None:
    spool = Spool(folder)
    spool.append([line])
    spool.close()
    with next(folder.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"id": "torn')


async def test_records_put_together_share_entries(state_redis: "redis.Redis") -> None:
    sink = StreamRecordSink()
    await sink.start()
    for _ in range(MOST_RECORDS + 10):
        sink.put(record_of())
    await sink.stop()
    assert (len(stream_lines(state_redis)), state_redis.xlen(STREAM)) == (MOST_RECORDS + 10, 2)


async def test_a_dead_redis_leaves_the_records_in_a_private_file(settings: Settings, spool_dir: Path) -> None:
    settings.REDIS_STATE_URL = NOWHERE
    spooled_before = RECORDS_SPOOLED._value.get()
    records = [record_of() for _ in range(500)]
    sink = StreamRecordSink()
    await sink.start()
    for record in records:
        sink.put(record)
    await sink.stop()
    assert _spooled(spool_dir) == [str(record.id) for record in records]
    assert RECORDS_SPOOLED._value.get() - spooled_before == 500
    assert (_modes(spool_dir.parent), _modes(spool_dir)) == ({0o700}, {0o600})


async def test_a_full_redis_gets_the_records_once_there_is_room(
    full_redis: "redis.Redis", spool_dir: Path
) -> None:
    records = [record_of() for _ in range(30)]
    sink = StreamRecordSink()
    await sink.start()
    for record in records:
        sink.put(record)
    await until(lambda: len(_spooled(spool_dir)) == 30)
    full_redis.config_set("maxmemory", 0)
    await until(lambda: _replayed(spool_dir))
    await sink.stop()
    assert sorted(_ids(full_redis)) == sorted(str(record.id) for record in records)


async def test_the_file_of_a_dead_process_is_replayed(state_redis: "redis.Redis", spool_dir: Path) -> None:
    left = record_of()
    _leave_a_file_with_a_torn_line(spool_dir, encode(left))
    sink = StreamRecordSink()
    await sink.start()
    await until(lambda: _replayed(spool_dir))
    await sink.stop()
    assert stream_lines(state_redis) == [encode(left), b'{"id": "torn']


def test_the_file_of_a_living_process_is_left_alone(spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    spool.append([b"mine"])
    other = (
        "import sys; from pathlib import Path; from analytics.spool import Spool;"
        "print(Spool(Path(sys.argv[1])).next_to_replay())"
    )
    asked = subprocess.run(
        [sys.executable, "-c", other, str(spool_dir)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
    )
    assert asked.stdout == "None\n"
    spool.close()


def test_a_long_outage_makes_two_files_not_thousands(spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    for line in range(50):
        spool.append([b"%d" % line])
        assert spool.next_to_replay() is not None
    assert len(list(spool_dir.iterdir())) == 2
    spool.close()


def test_a_confirmed_chunk_is_not_given_again(spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    spool.append([b"a" * 60, b"b" * 60, b"c" * 200])
    file = spool.next_to_replay()
    assert file is not None
    assert file.chunk(130) == [b"a" * 60, b"b" * 60]
    assert file.chunk(130) == [b"a" * 60, b"b" * 60]
    file.confirm()
    assert file.chunk(130) == [b"c" * 200]
    file.confirm()
    assert file.chunk(130) == []
    spool.close()


async def test_records_that_nothing_takes_are_counted_as_lost(settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_STATE_URL = NOWHERE
    settings.RECORD_SPOOL_DIR = tmp_path / "file" / "spool"
    (tmp_path / "file").touch()
    lost_before = RECORDS_LOST._value.get()
    sink = StreamRecordSink(capacity=10)
    await sink.start()
    for _ in range(15):
        sink.put(record_of())
    assert RECORDS_LOST._value.get() - lost_before == 5
    await sink.stop()
    assert RECORDS_LOST._value.get() - lost_before == 15


async def test_more_than_memory_holds_goes_to_the_spool_at_once(spool_dir: Path) -> None:
    sink = StreamRecordSink(capacity=1)
    first, second = record_of(), record_of()
    sink.put(first)
    sink.put(second)
    assert _spooled(spool_dir) == [str(second.id)]
    await sink.stop()


async def test_a_frozen_redis_holds_nobody_up(settings: Settings, spool_dir: Path) -> None:

    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_STATE_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        sink = StreamRecordSink()
        await sink.start()
        records = [record_of() for _ in range(1000)]
        for record in records:
            sink.put(record)
        await sink.stop()
    assert sorted(_spooled(spool_dir)) == sorted(str(record.id) for record in records)
