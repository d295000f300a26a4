import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from django.db import connection

from analytics.ingest import DEAD, GROUP, Ingest, records_waiting
from analytics.models import RequestRecord
from analytics.owner import owner_connection
from analytics.partitions import ensure_partitions
from analytics.record import CallRecord, PreparedRecord
from analytics.rows import COLUMNS, Row, row_of, started_at
from analytics.wire import FIELD, STREAM, encode, value_of
from tenants.models import Tenant
from tests.records import record_of

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def ingest(records_tables: None, state_redis: "redis.Redis") -> Iterator[Ingest]:
    made = Ingest(claim_idle_ms=0)
    made.ensure_group()
    yield made
    made.close()


def _produce(client: "redis.Redis", *records: CallRecord) -> None:
    for record in records:
        client.xadd(STREAM, {FIELD: encode(record)})


def _produce_together(client: "redis.Redis", *lines: bytes) -> None:
    """Add one entry with these lines."""
    client.xadd(STREAM, {FIELD: value_of(list(lines))})


def _drain(ingest: Ingest) -> None:
    while ingest.step(block_ms=0):
        pass


def _dead(client: "redis.Redis") -> list[dict[bytes, bytes]]:
    entries: Any = client.xrange(DEAD)
    return [fields for _, fields in entries]


def _dirty() -> list[tuple[int, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenant_id, hour FROM analytics_dirty_hour ORDER BY 1, 2")
        rows: list[tuple[int, datetime]] = cursor.fetchall()
        return rows


def test_a_record_becomes_a_row_with_all_its_values(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    record = record_of(
        alice.pk,
        tags=("a", "b"),
        attempts=[{"target": "small-1", "status": 200}],
        decision={"similarity": 0.91},
        complexity_score=0.25,
        cost_nano=2**50,
        stream=True,
    )
    _produce(state_redis, record)
    _drain(ingest)
    row = RequestRecord.objects.get()
    assert (row.id, row.tenant_id) == (record.id, alice.pk)
    assert row.started_at == datetime.fromtimestamp(record.started_at, UTC)
    assert (row.tags, row.attempts, row.decision) == (["a", "b"], record.attempts, record.decision)
    assert (row.cost_nano, row.complexity_score, row.stream) == (2**50, 0.25, True)


def test_settled_entries_leave_the_stream_and_mark_their_hour(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    now = datetime.now(UTC)
    _produce(state_redis, *(record_of(alice.pk, started_at=now.timestamp()) for _ in range(3)))
    _drain(ingest)
    summary: Any = state_redis.xpending(STREAM, GROUP)
    assert (state_redis.xlen(STREAM), summary["pending"]) == (0, 0)
    assert _dirty() == [(alice.pk, now.replace(minute=0, second=0, microsecond=0))]


def test_a_record_that_arrives_twice_counts_once(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    record = record_of(alice.pk)
    _produce(state_redis, record, record)
    _drain(ingest)
    _produce(state_redis, record)
    _drain(ingest)
    assert RequestRecord.objects.count() == 1
    assert (ingest.counts.inserted, ingest.counts.skipped) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({FIELD: b"{not json"}, b"JSON"),
        ({FIELD: b'{"id": "1"}'}, b"UUID"),
        ({FIELD: b'{"tenant_id": 1}'}, b"started_at"),
        ({FIELD: b"[]"}, b"JSON"),
        ({FIELD: b""}, b"JSON"),
        ({FIELD: encode(record_of(stream="yes"))}, b"stream"),
        ({FIELD: encode(record_of(tags=[1]))}, b"tags"),
        ({b"other": b"field"}, b"JSON"),
        ({FIELD: encode(record_of(status=70_000))}, b"smallint"),
        ({FIELD: encode(record_of(input_tokens=2**31))}, b"integer"),
        ({FIELD: encode(record_of(cost_nano=2**63))}, b"bigint"),
        ({FIELD: encode(record_of(cost_nano=2**70))}, b"cost_nano"),
        ({FIELD: encode(record_of(started_at=time.time() + 1e6))}, b"future"),
        ({FIELD: encode(record_of(started_at=0.0))}, b"retention"),
        ({FIELD: encode(record_of(started_at=1e300))}, b"no time"),
        ({FIELD: encode(record_of(total_ms=float("nan")))}, b"total_ms"),
    ],
)
def test_a_poisonous_entry_is_put_away_and_the_rest_lands(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant, fields: dict[Any, Any], reason: bytes
) -> None:
    _produce(state_redis, record_of(alice.pk))
    state_redis.xadd(STREAM, fields)
    _produce(state_redis, record_of(alice.pk))
    _drain(ingest)
    assert RequestRecord.objects.count() == 2
    (dead,) = _dead(state_redis)
    assert reason in dead[b"reason"]
    assert fields.items() <= dead.items()
    assert (state_redis.xlen(STREAM), ingest.counts.dead) == (0, 1)


def test_an_entry_of_the_release_before_is_read(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    """One record in an entry, every column told: as that release wrote it."""
    old = {
        "id": "01a20151-5ef4-4421-2b9f-3d13742d7ee4",
        "tenant_id": alice.pk,
        "started_at": time.time(),
        "key_public_id": "alicekey22",
        "endpoint": "/chat",
        "status": 200,
        "total_ms": 0.1234,
        "client_request_id": "",
        "purpose": "request",
        "error_code": "",
        "model_asked": "auto",
        "model": "small-1",
        "provider": "demo",
        "rule": "default-simple",
        "complexity": "simple",
        "complexity_score": 0.31,
        "cache_status": "hit_exact",
        "cache_reason": "",
        "similarity": None,
        "entry_id": "0ddb5864-772f-4505-bbaf-7d53842bd22b",
        "finish_reason": "stop",
        "stream": False,
        "input_tokens": 12,
        "output_tokens": 80,
        "cost_nano": 0,
        "saved_nano": 124000,
        "overhead_nano": 0,
        "upstream_ms": 0.0,
        "policy_version": 7,
        "attempts": [],
        "decision": {},
        "tags": [],
    }
    state_redis.xadd("hp:records", {b"r": json.dumps(old, separators=(",", ":"))})
    _drain(ingest)
    row = RequestRecord.objects.get()
    assert (str(row.id), str(row.entry_id)) == (old["id"], old["entry_id"])
    assert {name: value for name, value in vars(row).items() if name in old and "id" not in name} == {
        name: value for name, value in {**old, "started_at": row.started_at}.items() if "id" not in name
    }
    assert row.started_at.timestamp() == pytest.approx(old["started_at"], abs=1e-6)


def test_usage_in_its_parts_and_the_first_token_become_columns(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    told = record_of(
        alice.pk, cached_input_tokens=1024, reasoning_tokens=64, estimated=True, first_token_ms=87.5
    )
    _produce(state_redis, told)
    _drain(ingest)
    row = RequestRecord.objects.get()
    assert (row.cached_input_tokens, row.reasoning_tokens) == (1024, 64)
    assert (row.estimated, row.first_token_ms) == (True, 87.5)


def test_ingest_of_the_release_before_writes_on_after_the_migration(alice: Tenant) -> None:
    """It knows none of the later columns, and what it copies its rows to has none of their defaults."""
    later = {"cached_input_tokens", "reasoning_tokens", "estimated", "first_token_ms"}
    columns = [name for name in COLUMNS if name not in later]
    staging = "CREATE TEMP TABLE incoming (LIKE analytics_requestrecord) ON COMMIT DELETE ROWS"
    row = row_of(encode(record_of(alice.pk)), oldest=_LONG_AGO, now=datetime.now(UTC))
    known = [value for name, value in zip(COLUMNS, row, strict=True) if name not in later]
    with owner_connection() as owner:
        ensure_partitions(owner, {started_at(row).date()})
        owner.execute(staging)
        with owner.transaction(), owner.cursor() as cursor:
            with cursor.copy(f"COPY incoming ({', '.join(columns)}) FROM STDIN".encode()) as copy:
                copy.write_row(known)
            names = ", ".join(columns)
            cursor.execute(
                f"INSERT INTO analytics_requestrecord ({names}) SELECT {names} FROM incoming".encode()
            )
    stored = RequestRecord.objects.get()
    assert (stored.cached_input_tokens, stored.reasoning_tokens) == (0, 0)
    assert (stored.estimated, stored.first_token_ms) == (False, None)


def test_a_column_of_a_later_release_is_left_out(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    line = encode(record_of(alice.pk))[:-1] + b',"column_to_come":[1]}'
    _produce_together(state_redis, line)
    _drain(ingest)
    assert RequestRecord.objects.count() == 1


def test_the_records_of_one_entry_become_a_row_each(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    prepared = PreparedRecord(record_of(alice.pk, tags=("a",), cache_status="hit_exact"))
    calls = [prepared.at(uuid4(), time.time(), 0.2, f"caller-{number}") for number in range(30)]
    _produce_together(state_redis, *map(encode, calls))
    _drain(ingest)
    rows = RequestRecord.objects.order_by("id").values_list("id", "client_request_id", "cache_status", "tags")
    assert list(rows) == sorted((call.id, call.client_request_id, "hit_exact", ["a"]) for call in calls)
    assert (ingest.counts.inserted, state_redis.xlen(STREAM)) == (30, 0)


@pytest.mark.parametrize(
    "broken",
    [
        b'{"id": "torn',
        b"",
        b"null",
        encode(record_of(cost_nano=2**63)),
        encode(record_of(status=70_000)),
        encode(record_of(started_at=0.0)),
    ],
)
def test_a_broken_line_does_not_take_the_others_of_its_entry_along(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant, broken: bytes
) -> None:
    good = [encode(record_of(alice.pk)) for _ in range(20)]
    _produce_together(state_redis, *good[:7], broken, *good[7:])
    _drain(ingest)
    assert (RequestRecord.objects.count(), ingest.counts.dead, state_redis.xlen(STREAM)) == (20, 1, 0)
    (dead,) = _dead(state_redis)
    assert dead[FIELD] == broken


def test_only_the_broken_line_of_an_entry_can_be_put_back(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    _produce_together(state_redis, encode(record_of(alice.pk)), b"{")
    _drain(ingest)
    assert ingest.revive_dead() == 1
    _drain(ingest)
    assert (RequestRecord.objects.count(), ingest.counts.skipped, len(_dead(state_redis))) == (1, 0, 1)


def test_waiting_records_are_counted_not_entries(state_redis: "redis.Redis", ingest: Ingest) -> None:
    _produce_together(state_redis, *[b"{}"] * 7)
    _produce_together(state_redis, b"{}")
    assert records_waiting(state_redis) == 8
    for _ in range(98):
        _produce_together(state_redis, *[b"{}"] * 4)
    assert records_waiting(state_redis) == 100 * (8 + 18 * 4) // 20


def test_many_small_entries_are_settled_together(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    insert = Ingest._insert

    def measured(self: Ingest, rows: list[Row]) -> None:
        sizes.append(len(rows))
        insert(self, rows)

    monkeypatch.setattr(Ingest, "_insert", measured)
    _produce(state_redis, *(record_of(alice.pk) for _ in range(300)))
    _drain(ingest)
    assert sizes == [300]


def test_dead_entries_can_be_put_back(ingest: Ingest, state_redis: "redis.Redis", alice: Tenant) -> None:
    state_redis.xadd(
        DEAD, {FIELD: encode(record_of(alice.pk)), b"reason": b"delivered too often", b"entry": b"1-1"}
    )
    assert ingest.revive_dead() == 1
    _drain(ingest)
    assert (RequestRecord.objects.count(), state_redis.xlen(DEAD)) == (1, 0)


def test_text_that_does_not_fit_is_made_to_fit(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    record = record_of(
        alice.pk,
        model="m" * 500,
        error_code="a\0b",
        decision={"a\0": ["\0", 1, None]},
        tags=("t\0" + "x" * 99,),
    )
    _produce(state_redis, record)
    _drain(ingest)
    row = RequestRecord.objects.get()
    assert (row.model, row.error_code) == ("m" * 120, "a\ufffdb")
    assert (row.decision, row.tags) == ({"a\ufffd": ["\ufffd", 1, None]}, ["t\ufffd" + "x" * 62])


def test_what_a_dead_member_read_is_taken_over(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    _produce(state_redis, *(record_of(alice.pk) for _ in range(5)))
    state_redis.xreadgroup(GROUP, "dead-member", {STREAM: ">"})
    _drain(ingest)
    assert RequestRecord.objects.count() == 5
    assert state_redis.xlen(STREAM) == 0


def test_an_entry_that_was_delivered_too_often_is_put_away(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    lines = [encode(record_of(alice.pk)) for _ in range(3)]
    _produce_together(state_redis, *lines)
    state_redis.xreadgroup(GROUP, "member", {STREAM: ">"})
    for _ in range(5):
        state_redis.xautoclaim(STREAM, GROUP, "member", min_idle_time=0)
    _drain(ingest)
    assert (RequestRecord.objects.count(), state_redis.xlen(STREAM)) == (0, 0)
    assert [dead[FIELD] for dead in _dead(state_redis)] == lines


def test_an_outage_of_postgres_is_waited_out(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, failures = Ingest._connected, iter([psycopg.OperationalError("down")] * 3)

    def sometimes(self: Ingest) -> Any:
        if error := next(failures, None):
            raise error
        return connect(self)

    monkeypatch.setattr(Ingest, "_connected", sometimes)
    monkeypatch.setattr("analytics.ingest._PAUSES", (0.0,))
    _produce(state_redis, record_of(alice.pk))
    _drain(ingest)
    assert (RequestRecord.objects.count(), ingest.counts.dead) == (1, 0)


def test_a_broken_connection_is_replaced(ingest: Ingest, state_redis: "redis.Redis", alice: Tenant) -> None:
    _produce(state_redis, record_of(alice.pk))
    _drain(ingest)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'halfpenny-analytics'"
        )
    _produce(state_redis, record_of(alice.pk))
    _drain(ingest)
    assert RequestRecord.objects.count() == 2


def test_nothing_is_taken_over_while_postgres_is_away(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(self: Ingest) -> Any:
        raise psycopg.OperationalError("down")

    monkeypatch.setattr(Ingest, "_connected", down)
    _produce(state_redis, record_of(alice.pk))
    state_redis.xreadgroup(GROUP, "member", {STREAM: ">"})
    for _ in range(10):
        ingest._claim_at = 0.0
        ingest.step(block_ms=0)
    pending: Any = state_redis.xpending_range(STREAM, GROUP, "-", "+", 1)
    assert pending[0]["times_delivered"] == 1


def test_an_emptied_redis_gets_its_group_again(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    state_redis.flushdb()
    _produce(state_redis, record_of(alice.pk))
    ingest._on_rows = lambda _: ingest.stop()
    ingest.run()
    assert RequestRecord.objects.count() == 1


def test_it_tells_which_tenants_got_rows(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant, charlie: Tenant
) -> None:
    told: list[set[int]] = []
    ingest._on_rows = lambda tenant_ids: told.append(set(tenant_ids))
    record = record_of(alice.pk)
    _produce(state_redis, record, record_of(charlie.pk))
    _drain(ingest)
    _produce(state_redis, record)
    _drain(ingest)
    assert told == [{alice.pk, charlie.pk}]


def test_a_partition_that_vanished_is_made_again(
    ingest: Ingest, state_redis: "redis.Redis", alice: Tenant
) -> None:
    _produce(state_redis, record_of(alice.pk))
    _drain(ingest)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE analytics_requestrecord_{datetime.now(UTC):%Y%m%d}")
    _produce(state_redis, record_of(alice.pk))
    _drain(ingest)
    assert RequestRecord.objects.count() == 1
