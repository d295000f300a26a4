"""Where finished calls go: a stream in the state Redis, written by a task that no caller waits for.

Many records share an entry of the stream (analytics/wire.py): what an entry costs is paid once for all of them.
Records that Redis does not take (down, frozen, full) go to a spool file and are replayed when it is back. An
entry whose fate is unknown (time-out after sending) goes to the spool too and so may arrive twice: ingest
inserts by primary key, so that each record counts once.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

from django.conf import settings

from analytics.metrics import RECORDS_LOST, RECORDS_SPOOLED
from analytics.record import FinishedCall
from analytics.spool import Spool, SpoolFile
from analytics.wire import FIELD, MOST_RECORDS, STREAM, encode, packed, value_of
from tenants.redis_line import RedisLine

log = logging.getLogger(__name__)

#: What one turn of the writer takes: two entries, so that it holds the event loop for a millisecond at most.
_BATCH = 2 * MOST_RECORDS
#: A process that is killed loses what it gathered; one that gathers longer pays for fewer round trips.
_GATHER_SECONDS = 0.02
_REDIS_SECONDS = 0.5
_REPLAY_SECONDS = 0.5


class RecordSink(Protocol):
    """Takes finished calls."""

    def put(self, call: FinishedCall) -> None:
        """Take a call to be recorded. Never blocks on anything but local memory (or disk) and never raises."""


class StreamRecordSink:
    """The sink of one web process; `put` belongs on the thread of the loop that started it."""

    def __init__(self, *, capacity: int = 20_000) -> None:
        """capacity: records held in memory; those beyond it go to the spool at once."""
        self._capacity = capacity
        self._waiting: deque[FinishedCall] = deque()
        self._spool = Spool(settings.RECORD_SPOOL_DIR)
        # Its own: what callers wait for does not queue behind entries of 100 KB.
        self._line = RedisLine(settings.REDIS_STATE_URL, timeout_s=_REDIS_SECONDS)
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._avoid_redis_until = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to write what is put, and to replay what was left on disk."""
        self._tasks = [
            asyncio.create_task(self._write(), name="record writer"),
            asyncio.create_task(self._replay(), name="record replay"),
        ]

    async def stop(self) -> None:
        """Write everything that was put, to the stream or to the spool, and let go of both."""
        self._stopping.set()
        self._arrived.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._waiting:
            if not await self._write_batch():
                self._give_up()
        self._spool.close()
        await self._line.close()

    def put(self, call: FinishedCall) -> None:
        if len(self._waiting) < self._capacity:
            self._waiting.append(call)
            self._arrived.set()
        elif not self._to_spool([call]):
            self._lose([call])

    async def _write(self) -> None:
        while not self._stopping.is_set():
            await self._arrived.wait()
            self._arrived.clear()
            if len(self._waiting) < _BATCH:
                await asyncio.sleep(_GATHER_SECONDS)
            while self._waiting and not self._stopping.is_set():
                if not await self._write_batch():
                    # Neither Redis nor disk: keep them in memory and look again a little later.
                    await asyncio.sleep(_REPLAY_SECONDS)

    async def _write_batch(self) -> bool:
        """Write the oldest records; False when neither the stream nor the spool took them all."""
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        try:
            refused = await self._to_stream(batch)
        except asyncio.CancelledError:
            self._keep(batch)
            raise
        return not refused or self._keep(refused)

    def _keep(self, records: list[FinishedCall]) -> bool:
        """Put the records on disk, else back into memory."""
        if self._to_spool(records):
            return True
        self._waiting.extendleft(reversed(records))
        return False

    async def _to_stream(self, batch: list[FinishedCall]) -> list[FinishedCall]:
        """Return the records that Redis did not (or perhaps did not) take."""
        if time.monotonic() < self._avoid_redis_until:
            return batch
        taken = await self._add([encode(record) for record in batch])
        return [record for record, was_taken in zip(batch, taken, strict=True) if not was_taken]

    async def _add(self, lines: list[bytes]) -> list[bool]:
        """Append the lines to the stream; tell of each whether it is in."""
        entries = list(packed(lines))
        replies = [self._line.ask("XADD", STREAM, "*", FIELD, value_of(entry)) for entry in entries]
        results = await asyncio.gather(*replies, return_exceptions=True)
        taken: list[bool] = []
        for entry, result in zip(entries, results, strict=True):
            taken += [not isinstance(result, BaseException)] * len(entry)
        if errors := [result for result in results if isinstance(result, BaseException)]:
            self._avoid_redis_until = time.monotonic() + _REPLAY_SECONDS
            log.warning(
                "records not taken by the state Redis",
                extra={"records": taken.count(False), "error": type(errors[0]).__name__},
            )
        return taken

    def _to_spool(self, records: list[FinishedCall]) -> bool:
        try:
            self._spool.append([encode(record) for record in records])
        except OSError as error:
            log.error("spool not written", extra={"records": len(records), "error": str(error)})
            return False
        RECORDS_SPOOLED.inc(len(records))
        return True

    def _give_up(self) -> None:
        self._lose(list(self._waiting))
        self._waiting.clear()

    def _lose(self, records: list[FinishedCall]) -> None:
        RECORDS_LOST.inc(len(records))
        ids = [str(record.id) for record in records[:100]]
        log.critical("records lost: no stream, no spool", extra={"records": len(records), "ids": ids})

    async def _replay(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._replay_files()
            except OSError as error:
                log.error("spool not read", extra={"error": str(error)})
            try:
                await asyncio.wait_for(self._stopping.wait(), _REPLAY_SECONDS)
            except TimeoutError:
                continue

    async def _replay_files(self) -> None:
        while (file := self._spool.next_to_replay()) is not None:
            if not await self._replay_file(file):
                return
            self._spool.finish()
            log.info("spool file replayed", extra={"file": file.path.name})

    async def _replay_file(self, file: SpoolFile) -> bool:
        """Move the file's lines to the stream; False when Redis stopped taking them."""
        while lines := file.chunk():
            for start in range(0, len(lines), _BATCH):
                if self._stopping.is_set() or not all(await self._add(lines[start : start + _BATCH])):
                    return False
            file.confirm()
        return True
