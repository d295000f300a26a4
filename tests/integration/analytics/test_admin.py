import csv
import json
import re
import uuid
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.test import Client

from analytics.admin import BoundedPaginator, uuid_of
from analytics.models import RequestRecord
from analytics.owner import owner_connection
from analytics.rollups import roll_up
from analytics.stats import Query, stats_of_tenant
from tenants.database import TenantDatabase
from tenants.models import Tenant, User
from tests.integration.analytics.storing import store
from tests.records import record_of

LIST = "/admin/analytics/requestrecord/"
REPORT = f"{LIST}report/"
DAY = datetime(2026, 11, 5, 10, tzinfo=UTC)


@pytest.fixture
def ops(records_tables: None, state_redis: "redis.Redis") -> Client:
    """Ops staff who may look at records and at nothing else."""
    user = User.objects.create_user("ops@example.com", "-", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_requestrecord"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def other_staff(records_tables: None, state_redis: "redis.Redis") -> Client:
    client = Client()
    client.force_login(User.objects.create_user("other@example.com", "-", is_staff=True))
    return client


def _some_calls(tenant: Tenant) -> None:
    at = DAY.timestamp()
    store(
        [
            record_of(tenant.pk, started_at=at, cost_nano=123_456_789, cache_status="miss"),
            record_of(tenant.pk, started_at=at + 90_000, cost_nano=1, cache_status="miss"),
            record_of(tenant.pk, started_at=at + 5, saved_nano=123_456_789, cache_status="hit_exact"),
            record_of(tenant.pk, started_at=at + 6, status=429, cache_status=""),
        ]
    )


def _totals(page: str) -> dict[str, str]:
    return dict(re.findall(r'data-total="(\w+)">([^<]*)<', page))


def test_the_list_shows_money_in_usd_and_offers_no_change(ops: Client, alice: Tenant) -> None:
    _some_calls(alice)
    page = ops.get(LIST).content.decode()
    assert "0.123456789" in page
    record = RequestRecord.objects.first()
    assert record
    assert ops.get(f"{LIST}{record.pk}/change/").status_code == 200
    assert ops.post(f"{LIST}{record.pk}/change/", {}).status_code == 403
    assert ops.get(f"{LIST}{record.pk}/delete/").status_code == 403
    assert ops.get(f"{LIST}add/").status_code == 403


def test_a_records_page_shows_usage_in_its_parts(ops: Client, alice: Tenant) -> None:
    told = record_of(alice.pk, cached_input_tokens=7001, reasoning_tokens=7002, first_token_ms=7003.5)
    store([told])
    page = ops.get(f"{LIST}{told.id}/change/").content.decode()
    assert "the tokens are our own count" in page
    assert all(value in page for value in ("7001", "7002", "7003.5"))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("", 4),
        ("?http=4", 1),
        ("?http=429", 1),
        ("?cache=hit_exact", 1),
        ("?cache=none", 1),
        ("?model__icontains=small", 0),
        ("?q=alicekey22", 4),
        ("?q=alicekey2", 0),
        ("?started_at_from_0=2026-11-06", 1),
        ("?started_at_from_0=2026-11-05&started_at_from_1=10:00:05", 3),
        ("?started_at_to_0=2026-11-05&started_at_to_1=10:00:05", 2),
        ("?started_at_to_0=nonsense", 4),
    ],
)
def test_filters_and_search(ops: Client, alice: Tenant, filters: str, expected: int) -> None:
    _some_calls(alice)
    assert ops.get(f"{LIST}{filters}").context["cl"].result_count == expected


def test_a_record_is_found_by_its_id(ops: Client, alice: Tenant) -> None:
    record = record_of(alice.pk, id=uuid.UUID("01939c0f-5b2a-7c3d-8e4f-5a6b7c8d9e0f"))
    store([record, record_of(alice.pk)])
    assert ops.get(f"{LIST}?q={record.id}").context["cl"].result_count == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("req_00000000000000000000000010", uuid.UUID(int=32)),
        ("REQ_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", uuid.UUID(int=2**128 - 1)),
        ("req_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", None),
        ("00000000-0000-0000-0000-000000000001", uuid.UUID(int=1)),
        ("alicekey22", None),
        ("req_!", None),
    ],
)
def test_request_ids_are_read_as_callers_see_them(text: str, expected: uuid.UUID | None) -> None:
    assert uuid_of(text) == expected


def test_a_long_list_is_estimated(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.admin._MOST_COUNTED", 5)
    store([record_of(alice.pk) for _ in range(20)])
    with owner_connection() as owner:
        owner.execute("ANALYZE analytics_requestrecord")
    assert BoundedPaginator(RequestRecord.objects.all(), 10).count == 20
    assert BoundedPaginator(RequestRecord.objects.filter(status=200), 10).count == 6


async def _stats_totals(tenant_id: int) -> dict[str, Any]:
    database = TenantDatabase(wait_seconds=30)
    await database.open()
    query = Query(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC))
    answer = await stats_of_tenant(database, tenant_id, query)
    await database.close()
    totals: dict[str, Any] = answer["totals"]
    return totals


@pytest.mark.parametrize("rolled_up", [False, True])
def test_the_reports_totals_are_those_of_stats(
    ops: Client, alice: Tenant, charlie: Tenant, rolled_up: bool
) -> None:
    _some_calls(alice)
    store([record_of(charlie.pk, started_at=DAY.timestamp(), cost_nano=7)])
    if rolled_up:
        with owner_connection() as owner:
            roll_up(owner)
    shown = _totals(ops.get(f"{REPORT}?since=2026-11-01&until=2026-11-30&tenant=alice").content.decode())
    totals = async_to_sync(_stats_totals)(alice.pk)
    assert shown == {
        "requests": str(totals["requests"]),
        "hit_ratio": f"{totals['hit_ratio']:.1%}",
        "cost": totals["cost_usd"],
        "saved": totals["saved_usd"],
    }
    both = _totals(ops.get(f"{REPORT}?since=2026-11-01&until=2026-11-30").content.decode())
    assert both["cost"] == "0.123456797"


def test_the_chart_holds_the_days_sums_and_asks_nobody_else(ops: Client, alice: Tenant) -> None:
    _some_calls(alice)
    page = ops.get(f"{REPORT}?since=2026-11-01&until=2026-11-30").content.decode()
    found = re.search(r'class="chart"[^>]*data-value="([^"]*)"', page)
    assert found
    chart = json.loads(unescape(found[1]))
    assert chart["labels"] == ["2026-11-05", "2026-11-06"]
    assert [each["data"] for each in chart["datasets"]] == [[0.123456789, 1e-9], [0.123456789, 0.0]]
    assert not re.findall(r'(?:src|href)="https?://[^"]*"', page)


def test_the_csv_holds_the_same_rows(ops: Client, alice: Tenant) -> None:
    _some_calls(alice)
    response = ops.get(f"{REPORT}?since=2026-11-01&until=2026-11-30&format=csv")
    rows = list(csv.reader(response.content.decode().splitlines()))
    assert rows[1] == ["alice", "2026-11-06", "1", "0", "1", "0.000000", "0.000000001", "0.000000000"]
    assert rows[-1][:3] == ["All", "total", "4"]
    assert "attachment" in response["Content-Disposition"]


def test_no_cell_of_the_csv_is_a_formula(ops: Client, records_tables: None) -> None:
    evil = Tenant.objects.create(slug="-evil", name="=1+1")
    store([record_of(evil.pk, started_at=DAY.timestamp())])
    body = ops.get(f"{REPORT}?since=2026-11-01&until=2026-11-30&format=csv").content.decode()
    assert "\r\n'-evil,2026-11-05" in body


@pytest.mark.parametrize(
    "params", ["since=x", "until=x", "since=2026-11-02&until=2026-11-01", "tenant=nobody"]
)
def test_bad_parameters_of_the_report_are_explained(ops: Client, alice: Tenant, params: str) -> None:
    assert 'role="alert"' in ops.get(f"{REPORT}?{params}").content.decode()
    assert ops.get(f"{REPORT}?{params}&format=csv").status_code == 400


def test_the_list_leads_to_the_report(ops: Client, alice: Tenant) -> None:
    response = ops.get(f"{LIST}open-report/")
    assert (response.status_code, response["Location"]) == (302, REPORT)


@pytest.mark.parametrize("address", [LIST, REPORT, f"{REPORT}?format=csv"])
def test_staff_without_the_permission_see_no_records(other_staff: Client, address: str) -> None:
    assert other_staff.get(address).status_code == 403


@pytest.mark.parametrize("address", [LIST, REPORT])
def test_others_are_sent_to_the_login(records_tables: None, state_redis: "redis.Redis", address: str) -> None:
    assert Client().get(address).status_code == 302
