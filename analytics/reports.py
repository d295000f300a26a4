"""The cost-saved report: per tenant and day, with totals that equal those of `GET /stats`."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from analytics.stats import BadQuery, Query, bucket_sql, parse_query, usd
from analytics.sums import Span, Sums, read_sums, sums_query
from tenants.models import Tenant

#: A spreadsheet runs a cell that starts with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEADER = ("tenant", "day", "requests", "hits", "misses", "hit_ratio", "cost_usd", "saved_usd")


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One tenant on one day."""

    tenant: str
    day: str
    sums: Sums

    @property
    def cost_usd(self) -> str:
        return usd(self.sums.numbers["cost_nano"])

    @property
    def saved_usd(self) -> str:
        return usd(self.sums.numbers["saved_nano"])

    @property
    def hit_percent(self) -> str:
        ratio = self.sums.hit_ratio
        return "" if ratio is None else f"{ratio:.1%}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The rows by day (newest first) and tenant, and their sum."""

    query: Query
    rows: list[ReportRow]
    totals: ReportRow


def parse_report(params: Mapping[str, str], *, now: datetime) -> tuple[Query, Tenant | None]:
    """Return the range and the tenant (None: all) of the parameters `since`, `until`, `tenant`.

    Both days are included; default: this month. Raises analytics.stats.BadQuery.
    """
    given = {name: params[name] for name in ("since", "until") if params.get(name)}
    if "until" in given:
        given["until"] = _next_day(given["until"])
    tenant = None
    if slug := params.get("tenant"):
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise BadQuery("tenant", "there is no such tenant")
    return parse_query({**given, "bucket": "day"}, now=now), tenant


def cost_saved(query: Query, tenant: Tenant | None) -> Report:
    """Sum the range by tenant and day (blocking, as the owner of the tables)."""
    span = Span(since=query.since, until=query.until, tenant_id=tenant.pk if tenant else None)
    text, values = sums_query(span, (f"tenant_id || ' ' || {bucket_sql('day')}",))
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        (by_tenant_and_day,) = read_sums(cursor.fetchall(), 1)
    names = dict(Tenant.objects.values_list("pk", "slug"))
    rows = [
        ReportRow(tenant=names.get(int(tenant_id), f"deleted ({tenant_id})"), day=start[:10], sums=sums)
        for tenant_id, start, sums in _split(by_tenant_and_day)
    ]
    rows.sort(key=lambda row: row.tenant)
    rows.sort(key=lambda row: row.day, reverse=True)
    totals = ReportRow(tenant="All" if tenant is None else tenant.slug, day="", sums=_sum(rows))
    return Report(query=query, rows=rows, totals=totals)


def chart_of(report: Report) -> dict[str, Any]:
    """Return cost and saving by day, oldest first, in the form that Chart.js draws."""
    days = sorted({row.day for row in report.rows})
    return {
        "labels": days,
        "datasets": [
            _dataset("Cost in USD", "cost_nano", "var(--color-base-400)", days, report.rows),
            _dataset("Saved in USD", "saved_nano", "var(--color-primary-600)", days, report.rows),
        ],
    }


def csv_lines(report: Report) -> Iterator[str]:
    """Give the report line by line; no cell of it is a formula to a spreadsheet."""
    yield _line(_HEADER)
    for row in (*report.rows, report.totals):
        sums = row.sums
        ratio = "" if sums.hit_ratio is None else f"{sums.hit_ratio:.6f}"
        numbers = (sums.numbers["requests"], sums.hits, sums.misses, ratio)
        yield _line((row.tenant, row.day or "total", *numbers, row.cost_usd, row.saved_usd))


def _split(by_tenant_and_day: Mapping[str, Sums]) -> Iterator[tuple[str, str, Sums]]:
    for name, sums in by_tenant_and_day.items():
        if sums.numbers["requests"]:
            tenant_id, _, start = name.partition(" ")
            yield tenant_id, start, sums


def _sum(rows: Iterable[ReportRow]) -> Sums:
    return sum((row.sums for row in rows), Sums())


def _dataset(label: str, name: str, color: str, days: list[str], rows: list[ReportRow]) -> dict[str, Any]:
    nano = dict.fromkeys(days, 0)
    for row in rows:
        nano[row.day] += row.sums.numbers[name]
    return {"label": label, "data": [each / 1e9 for each in nano.values()], "backgroundColor": color}


def _line(cells: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_harmless(str(cell)) for cell in cells])
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _next_day(raw: str) -> str:
    try:
        return (datetime.fromisoformat(raw).replace(tzinfo=UTC) + timedelta(days=1)).date().isoformat()
    except (ValueError, OverflowError):
        raise BadQuery("until", "`until` must be a date") from None
