"""The lines of ended calls: what logging would write, and nobody waits for their reader."""

import asyncio
import json
import logging
import logging.config
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings

from analytics.record import CallRecord, FinishedCall, PreparedRecord
from config import logs
from gateway.call_log import _MOST_PIECES, LINES_LOST, LOGGER, CallLog, Lines, call_log_of_settings
from gateway.records import log_fields
from tests.records import record_of


@dataclass(frozen=True)
class Pipe:
    """A pipe whose reading end is read only when a test does so."""

    reading: int
    writing: int

    def read(self) -> bytes:
        """Return what is in it."""
        os.set_blocking(self.reading, False)
        blocks = []
        while block := self._block():
            blocks.append(block)
        return b"".join(blocks)

    def _block(self) -> bytes:
        try:
            return os.read(self.reading, 1 << 16)
        except BlockingIOError:
            return b""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    yield made
    os.close(made.reading)
    os.close(made.writing)


def _as_logging_writes_it(call: FinishedCall, *, as_json: bool) -> str:
    """Return the line that the handler of config.logs would write at the end of the call."""
    whole = call.whole()
    line = logging.LogRecord(LOGGER, logging.INFO, "-", 1, "call ended", None, None)
    line.created = whole.started_at + whole.total_ms / 1000
    line.msecs = int((line.created - int(line.created)) * 1000) + 0.0
    vars(line).update(log_fields(whole))
    configurator = logging.config.DictConfigurator(logs.configuration(level="INFO", json=as_json))
    formatter = configurator.configure_formatter(
        dict(logs.configuration(level="INFO", json=as_json)["formatters"]["json" if as_json else "plain"])
    )
    return f"{formatter.format(line)}\n"


#: For each column another value than that of record_of.
OTHER: dict[str, Any] = {
    "id": uuid4(),
    "tenant_id": 2,
    "started_at": 1e9 + 0.0421,
    "key_public_id": 'odd"key\u00fc',
    "endpoint": "/v1/chat/completions",
    "status": 429,
    "total_ms": 99.999,
    "error_code": "rate_limited",
    "model": "large-1",
    "cache_status": "hit_semantic",
    "cache_reason": "floor",
    "upstream_ms": 33.333,
    "first_token_ms": 12.345,
    "stream": True,
    "attempts": [{"a": 1}],
    "decision": {"a": 1},
    "tags": ("canary",),
    "entry_id": uuid4(),
    "similarity": 0.5,
    "complexity_score": 0.5,
}


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("column", [column.name for column in fields(CallRecord)])
def test_a_line_is_what_logging_would_write_whatever_differs_from_the_line_before(
    column: str, as_json: bool
) -> None:
    before = record_of()
    value = OTHER.get(column, 7 if isinstance(getattr(before, column), int) else "canary")
    lines = Lines(as_json=as_json)
    for record in (before, record_of(**{column: value})):
        assert lines.line_of(record) == _as_logging_writes_it(record, as_json=as_json)


def test_a_repeated_call_has_the_line_of_a_whole_record() -> None:
    repeated = PreparedRecord(record_of(cache_status="hit_exact", model="m")).at(uuid4(), time.time(), 0.25)
    assert Lines(as_json=True).line_of(repeated) == _as_logging_writes_it(repeated, as_json=True)


def test_what_lines_share_is_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.call_log._MOST_KINDS", 10)
    lines = Lines(as_json=True)
    for number in range(50):
        assert f"m-{number}" in lines.line_of(record_of(model=f"m-{number}"))
    assert len(lines._shared) <= 10


async def test_lines_are_written_soon_and_in_order(pipe: Pipe) -> None:
    log = CallLog(descriptor=pipe.writing)
    for number in range(50):
        log.put(record_of(status=200 + number))
    assert pipe.read() == b""
    written = b""
    async with asyncio.timeout(30):
        while written.count(b"\n") < 50:
            await asyncio.sleep(0.005)
            written += pipe.read()
    assert [json.loads(line)["status"] for line in written.splitlines()] == list(range(200, 250))
    log.stop()


async def test_what_was_put_is_written_at_the_end(pipe: Pipe) -> None:
    log = CallLog(descriptor=pipe.writing)
    log.put(record_of())
    log.stop()
    assert pipe.read().count(b"\n") == 1


async def test_without_the_call_log_nothing_is_written(pipe: Pipe) -> None:
    log = CallLog(on=False, descriptor=pipe.writing)
    log.put(record_of())
    log.stop()
    assert pipe.read() == b""


async def test_a_pipe_that_nobody_reads_costs_counted_lines_and_no_waiting(pipe: Pipe) -> None:
    lost_before = LINES_LOST._value.get()
    log = CallLog(descriptor=pipe.writing)
    put = 20_000
    for _ in range(put):
        log.put(record_of())
    log.stop()
    held = pipe.read()
    assert held.endswith(b"}\n")
    assert {json.loads(line)["message"] for line in held.splitlines()} == {"call ended"}
    assert held.count(b"\n") + LINES_LOST._value.get() - lost_before == put


async def test_a_reader_who_falls_behind_a_little_loses_nothing(pipe: Pipe) -> None:
    log = CallLog(descriptor=pipe.writing)
    # More than a pipe holds (64 KiB), less than what is kept.
    put = 400
    for _ in range(put):
        log.put(record_of())
    read = b""
    async with asyncio.timeout(30):
        while read.count(b"\n") < put:
            await asyncio.sleep(0.03)
            read += pipe.read()
    log.stop()
    assert 4096 * _MOST_PIECES > len(read) > 1 << 16


async def test_a_reader_who_is_gone_costs_nothing_but_lines(pipe: Pipe) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lost_before = LINES_LOST._value.get()
    log = CallLog(descriptor=writing)
    for _ in range(3):
        log.put(record_of())
    log.stop()
    os.close(writing)
    assert LINES_LOST._value.get() - lost_before == 3


async def test_lines_go_to_a_file_as_well(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = CallLog(descriptor=file.fileno())
        for _ in range(1200):
            log.put(record_of())
        log.stop()
    assert (tmp_path / "log").read_bytes().count(b"\n") == 1200


@pytest.mark.parametrize(
    ("call_log", "level", "on"), [(True, "INFO", True), (False, "INFO", False), (True, "WARNING", False)]
)
def test_settings_turn_the_lines_off(
    settings: LazySettings, caplog: pytest.LogCaptureFixture, call_log: bool, level: str, on: bool
) -> None:
    settings.CALL_LOG = call_log
    caplog.set_level(level)
    assert call_log_of_settings()._on is on
