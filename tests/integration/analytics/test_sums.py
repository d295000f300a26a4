"""Sums are exact whatever part of them is rolled up."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from analytics.ingest import _COPY, _INSERT, _STAGING
from analytics.latency import BIN_SQL, bin_of
from analytics.models import LATENCY_BINS, HourlyRollup
from analytics.owner import owner_connection
from analytics.record import CallRecord
from analytics.rollups import roll_up
from analytics.rows import row_of
from analytics.stats import Query, stats_of_tenant
from analytics.wire import encode
from tenants.database import TenantDatabase
from tenants.models import Tenant
from tests.integration.analytics.storing import store
from tests.records import record_of

START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
STATUSES = ("hit_exact", "hit_semantic", "miss", "bypass", "refresh", "error", "")


def _random_record(tenant_id: int, chance: random.Random) -> CallRecord:
    return record_of(
        tenant_id,
        id=uuid.UUID(int=chance.getrandbits(128)),
        started_at=(START + timedelta(seconds=chance.uniform(0, 48 * 3600))).timestamp(),
        key_public_id=chance.choice(["one", "two"]),
        model=chance.choice(["small-1", "large-1", ""]),
        rule=chance.choice(["default", ""]),
        status=chance.choice([200, 200, 200, 429, 500, 503, 404, 499, 402]),
        cache_status=chance.choice(STATUSES),
        purpose=chance.choice(["request"] * 5 + ["audit"]),
        cost_nano=chance.randrange(10**12),
        saved_nano=chance.randrange(10**12),
        overhead_nano=chance.randrange(10**6),
        cached_input_tokens=chance.randrange(100),
        reasoning_tokens=chance.randrange(100),
        estimated=chance.random() < 0.5,
        first_token_ms=chance.choice([None, 20.0]),
        total_ms=chance.lognormvariate(3, 3),
    )


def _expected(records: list[CallRecord]) -> dict[str, Any]:
    asked = [each for each in records if each.purpose == "request"]
    status = Counter(each.cache_status for each in asked)
    misses = status["miss"] + status["refresh"] + status["error"]
    hits = status["hit_exact"] + status["hit_semantic"]
    return {
        "requests": len(asked),
        "hits_exact": status["hit_exact"],
        "hits_semantic": status["hit_semantic"],
        "misses": misses,
        "bypassed": status["bypass"],
        "errors": sum(each.status >= 400 and each.status not in (429, 499) for each in asked),
        "rate_limited": sum(each.status == 429 for each in asked),
        "hit_ratio": hits / (hits + misses) if hits + misses else None,
        "cost_usd": _usd(sum(each.cost_nano for each in asked)),
        "saved_usd": _usd(sum(each.saved_nano for each in asked)),
    }


def _usd(nano: int) -> str:
    return f"{nano // 10**9}.{nano % 10**9:09d}"


def _without_latency(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in figures if name not in ("latency_ms", "group", "start")}


async def _stats(tenant_id: int, query: Query) -> dict[str, Any]:
    database = TenantDatabase(wait_seconds=30)
    await database.open()
    try:
        return await stats_of_tenant(database, tenant_id, query)
    finally:
        await database.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bucket", ["minute", "hour", "day"])
@pytest.mark.parametrize("group_by", ["model", "cache", "route", "key"])
async def test_totals_groups_and_buckets_are_the_sums_of_the_rows(
    alice: Tenant, charlie: Tenant, bucket: str, group_by: str, seed: int
) -> None:
    chance = random.Random(f"{seed} {bucket} {group_by}")
    records = [_random_record(chance.choice([alice.pk, charlie.pk]), chance) for _ in range(150)]
    store(records[:100])
    with owner_connection() as owner:
        roll_up(owner, now=START + timedelta(hours=chance.randrange(50)))
    store(records[90:])
    since, until = sorted(START + timedelta(seconds=chance.randrange(48 * 3600)) for _ in range(2))
    query = Query(since=since, until=until, bucket=bucket, group_by=group_by)
    answer = await _stats(alice.pk, query)
    mine = [
        each
        for each in records
        if each.tenant_id == alice.pk and since <= datetime.fromtimestamp(each.started_at, UTC) < until
    ]
    assert _without_latency(answer["totals"]) == _expected(mine)
    field = {"model": "model", "cache": "cache_status", "route": "rule", "key": "key_public_id"}[group_by]
    for group in answer["groups"]:
        members = [each for each in mine if getattr(each, field) == (group["group"] or "")]
        assert _without_latency(group) == _expected(members)
    for part in ("groups", "buckets"):
        assert sum(each["requests"] for each in answer[part]) == answer["totals"]["requests"]
        assert sum(Decimal(each["cost_usd"]) for each in answer[part]) == Decimal(
            answer["totals"]["cost_usd"]
        )


async def test_percentiles_are_those_of_the_bins(alice: Tenant) -> None:
    store([record_of(alice.pk, started_at=START.timestamp() + i, total_ms=float(i + 1)) for i in range(100)])
    query = Query(since=START, until=START + timedelta(days=1))
    from_records = (await _stats(alice.pk, query))["totals"]["latency_ms"]
    with owner_connection() as owner:
        roll_up(owner, now=START + timedelta(hours=2))
    assert from_records == {
        "p50": pytest.approx(50, rel=0.05),
        "p95": pytest.approx(95, rel=0.05),
        "p99": pytest.approx(99, rel=0.05),
    }
    assert (await _stats(alice.pk, query))["totals"]["latency_ms"] == from_records


async def test_an_outsider_sees_nothing(alice: Tenant, charlie: Tenant) -> None:
    store([record_of(alice.pk, started_at=START.timestamp()) for _ in range(3)])
    answer = await _stats(charlie.pk, Query(since=START, until=START + timedelta(days=1)))
    assert (answer["totals"]["requests"], answer["groups"], answer["buckets"]) == (0, [], [])
    assert (answer["totals"]["hit_ratio"], answer["totals"]["latency_ms"]["p50"]) == (None, None)


def test_a_rollup_that_runs_again_changes_nothing(alice: Tenant) -> None:
    store([_random_record(alice.pk, random.Random(i)) for i in range(60)])
    call_command("rollup_rebuild")
    first = list(HourlyRollup.objects.order_by("hour", "key_public_id", "model", "cache_status", "rule"))
    call_command("rollup_rebuild", "--json")
    second = list(HourlyRollup.objects.order_by("hour", "key_public_id", "model", "cache_status", "rule"))
    assert [(each.hour, each.requests, each.latency_bins) for each in first] == [
        (each.hour, each.requests, each.latency_bins) for each in second
    ]
    assert all(len(each.latency_bins) == LATENCY_BINS for each in second)
    assert sum(sum(each.latency_bins) for each in second) == sum(each.requests for each in second)


def test_two_rollups_at_once_do_each_hour_once(alice: Tenant) -> None:
    store([record_of(alice.pk, started_at=START.timestamp())])
    with owner_connection() as first, owner_connection(lock_timeout_ms=100) as second:
        with first.transaction():
            first.execute("DELETE FROM analytics_dirty_hour")
            assert roll_up(second, now=START + timedelta(days=1)).left == 1
        assert roll_up(second, now=START + timedelta(days=1)).hours == 0


def test_a_mark_is_not_lost_while_rows_are_being_added(alice: Tenant) -> None:
    """An unfinished ingest transaction holds the mark: the rollup has to wait for its rows."""
    store([record_of(alice.pk, started_at=START.timestamp())])
    line = encode(record_of(alice.pk, started_at=START.timestamp() + 1))
    late = row_of(line, oldest=START, now=START + timedelta(days=1))
    with owner_connection() as adding, owner_connection(lock_timeout_ms=100) as rolling:
        adding.execute(_STAGING)
        with adding.transaction():
            with adding.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.write_row(late)
            adding.execute(_INSERT)
            assert roll_up(rolling, now=START + timedelta(days=1)).left == 1
        assert roll_up(rolling, now=START + timedelta(days=1)).hours == 1
    assert HourlyRollup.objects.get().requests == 2


def test_a_late_row_makes_its_hour_due_again(alice: Tenant) -> None:
    for _ in range(2):
        store([record_of(alice.pk, started_at=START.timestamp())])
        with owner_connection() as owner:
            assert roll_up(owner, now=START + timedelta(hours=1)).hours == 1
    assert HourlyRollup.objects.get().requests == 2


def test_an_hour_that_has_not_ended_is_not_rolled_up(alice: Tenant) -> None:
    store([record_of(alice.pk, started_at=START.timestamp())])
    with owner_connection() as owner:
        assert roll_up(owner, now=START + timedelta(minutes=59)).hours == 0


@pytest.fixture(scope="module")
def plain_connection(django_db_setup: None) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as made:
        yield made


@given(st.lists(st.floats(allow_nan=False), max_size=50))
def test_the_bins_of_sql_are_those_of_python(
    plain_connection: psycopg.Connection[Any], latencies: list[float]
) -> None:
    text = (
        f"SELECT {BIN_SQL} FROM unnest(%s::double precision[]) WITH ORDINALITY AS t (total_ms, i) ORDER BY i"
    )
    bins = [number for (number,) in plain_connection.execute(text.encode(), (latencies,)).fetchall()]
    assert bins == [bin_of(ms) for ms in latencies]
