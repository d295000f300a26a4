"""The ingest process killed with SIGKILL while records arrive: none lost, none doubled."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.db import connection

from analytics.ingest import DEAD
from analytics.models import RequestRecord
from analytics.wire import FIELD, STREAM, encode, value_of
from tenants.models import Tenant
from tests.records import record_of, until

PROJECT = Path(__file__).resolve().parents[3]
DYING = [sys.executable, "-m", "tests.integration.analytics.dying_ingest"]
INGEST = [sys.executable, "manage.py", "ingest", "--json", "--claim-after", "0.3"]


@pytest.fixture
def environment(records_tables: None) -> dict[str, str]:
    """The environment of this test run, with the test database."""
    url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    return {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}


@pytest.fixture
def running(environment: dict[str, str]) -> Iterator["Running"]:
    started = Running(environment)
    yield started
    started.end()


class Running:
    """Ingest processes that this test started."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._all: list[subprocess.Popen[str]] = []

    def start(self, command: list[str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            env=self._environment,
            cwd=PROJECT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._all.append(process)
        return process

    def end(self) -> None:
        for process in self._all:
            process.kill()
            process.communicate()


class Producer(threading.Thread):
    """Adds entries of one to three records to the stream, some of them twice, until told to stop."""

    def __init__(self, client: "redis.Redis", tenant_id: int) -> None:
        super().__init__(daemon=True)
        self.ids: set[str] = set()
        self._client, self._tenant_id, self._stopping = client, tenant_id, threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(0.002):
            records = [record_of(self._tenant_id) for _ in range(1 + len(self.ids) % 3)]
            for _ in range(1 + (len(self.ids) % 10 == 0)):
                self._client.xadd(STREAM, {FIELD: value_of([encode(record) for record in records])})
            self.ids.update(str(record.id) for record in records)

    def stop(self) -> None:
        self._stopping.set()
        self.join()


async def _ids_in_postgres() -> list[str]:
    return sorted([str(each) async for each in RequestRecord.objects.values_list("id", flat=True)])


@pytest.mark.parametrize(
    "point",
    [
        ("_settle", "before"),
        ("_insert", "before"),
        ("_insert", "after"),
        ("_acknowledge", "before"),
        ("_acknowledge", "after"),
        ("_count", "before"),
    ],
    ids="-".join,
)
async def test_killed_at_a_point_nothing_is_lost_or_doubled(
    running: Running, state_redis: "redis.Redis", alice: Tenant, point: tuple[str, str]
) -> None:
    producer = Producer(state_redis, alice.pk)
    producer.start()
    assert running.start([*DYING, *point, "3"]).wait(60) == -signal.SIGKILL
    producer.stop()
    last = running.start(INGEST)
    await until(lambda: state_redis.xlen(STREAM) == 0)
    last.terminate()
    counts = json.loads(last.communicate(timeout=60)[0])
    assert await _ids_in_postgres() == sorted(producer.ids)
    assert (state_redis.xlen(DEAD), counts["dead"], last.returncode) == (0, 0, 0)


async def test_killed_at_random_times_nothing_is_lost_or_doubled(
    running: Running, state_redis: "redis.Redis", alice: Tenant
) -> None:
    producer = Producer(state_redis, alice.pk)
    producer.start()
    for kill in range(4):
        first, second = running.start(INGEST), running.start(INGEST)
        await asyncio.sleep(1.0 + 0.13 * kill)
        first.kill()
        second.kill()
    producer.stop()
    running.start(INGEST)
    await until(lambda: state_redis.xlen(STREAM) == 0)
    assert await _ids_in_postgres() == sorted(producer.ids)
