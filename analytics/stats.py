"""What `GET /stats` answers: a tenant's sums of a time range, as a whole, by group and by bucket.

Groups and buckets without requests are left out. What is counted as what: analytics/sums.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from analytics.sums import Span, Sums, read_sums, sums_query
from tenants.database import TenantDatabase

NANO = 1_000_000_000

_BUCKETS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_GROUPS = {"model": "model", "cache": "cache_status", "route": "rule", "key": "key_public_id"}
_MOST_BUCKETS = 50_000
_LONGEST = timedelta(days=366)
_TIMEOUT_MS = 5000


class BadQuery(ValueError):
    """A parameter can't be used; `param` names it and the message says why."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, kw_only=True)
class Query:
    """A checked question: [since, until) in UTC."""

    since: datetime
    until: datetime
    bucket: str = "day"
    group_by: str = "model"


def parse_query(params: Mapping[str, str], *, now: datetime) -> Query:
    """Return the query of the parameters `since`, `until`, `bucket`, `group_by`. Raises BadQuery.

    Times are ISO 8601 (UTC unless they say otherwise). Default: the current month, by day and by model.
    """
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    query = Query(
        since=_time(params, "since") or month,
        until=_time(params, "until") or (month + timedelta(days=32)).replace(day=1),
        bucket=_choice(params, "bucket", _BUCKETS, "day"),
        group_by=_choice(params, "group_by", _GROUPS, "model"),
    )
    if query.until <= query.since:
        raise BadQuery("until", "`until` must be later than `since`")
    if query.until - query.since > _LONGEST:
        raise BadQuery("since", f"the range may be {_LONGEST.days} days long at most")
    if (query.until - query.since) / _BUCKETS[query.bucket] > _MOST_BUCKETS:
        raise BadQuery("bucket", f"the range has more than {_MOST_BUCKETS} buckets of a {query.bucket}")
    return query


async def stats_of_tenant(database: TenantDatabase, tenant_id: int, query: Query) -> dict[str, Any]:
    """Return the answer of `GET /stats`. Raises tenants.database.DATABASE_ERRORS."""
    buckets, groups = await _sums(database, tenant_id, query)
    return {
        "since": iso(query.since),
        "until": iso(query.until),
        "totals": figures(sum(buckets.values(), Sums())),
        "groups": [{"group": name or None, **figures(sums)} for name, sums in _asked(groups)],
        "buckets": [{"start": start, **figures(sums)} for start, sums in _asked(buckets)],
    }


async def totals_of_tenant(database: TenantDatabase, tenant_id: int, query: Query) -> Sums:
    """Return the sums of the whole range. Raises tenants.database.DATABASE_ERRORS."""
    buckets, _ = await _sums(database, tenant_id, query)
    return sum(buckets.values(), Sums())


def figures(sums: Sums) -> dict[str, Any]:
    """Return the numbers of sums under their names in the interface."""
    return {
        "requests": sums.numbers["requests"],
        "hits_exact": sums.by_status["hit_exact"],
        "hits_semantic": sums.by_status["hit_semantic"],
        "misses": sums.misses,
        "bypassed": sums.by_status["bypass"],
        "errors": sums.numbers["errors"],
        "rate_limited": sums.numbers["rate_limited"],
        "hit_ratio": sums.hit_ratio,
        "cost_usd": usd(sums.numbers["cost_nano"]),
        "saved_usd": usd(sums.numbers["saved_nano"]),
        "latency_ms": {name: _rounded(sums.latency_ms(share)) for name, share in _SHARES.items()},
    }


_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def usd(nano: int) -> str:
    """Return nano-USD as a decimal string with nine places."""
    sign = "-" if nano < 0 else ""
    return f"{sign}{abs(nano) // NANO}.{abs(nano) % NANO:09d}"


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def _sums(
    database: TenantDatabase, tenant_id: int, query: Query
) -> tuple[dict[str, Sums], dict[str, Sums]]:
    span = Span(
        since=query.since,
        until=query.until,
        tenant_id=tenant_id,
        from_records=query.bucket == "minute",
    )
    text, values = sums_query(span, (bucket_sql(query.bucket), _GROUPS[query.group_by]))
    async with database.of_tenant(tenant_id, timeout_ms=_TIMEOUT_MS) as connection:
        rows = await (await connection.execute(text.encode(), values)).fetchall()
    buckets, groups = read_sums(rows, 2)
    return buckets, groups


def bucket_sql(bucket: str) -> str:
    """Return the SQL of the start of the bucket that a moment lies in."""
    start = f"date_trunc('{bucket}', at, 'UTC') AT TIME ZONE 'UTC'"
    return f"""to_char({start}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def _asked(sums: dict[str, Sums]) -> list[tuple[str, Sums]]:
    return [(name, each) for name, each in sums.items() if each.numbers["requests"]]


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)


def _time(params: Mapping[str, str], name: str) -> datetime | None:
    raw = params.get(name)
    if not raw:
        return None
    try:
        # A plus sign that was not quoted in an address arrives as a space.
        moment = datetime.fromisoformat(raw.strip().replace(" ", "+") if "T" in raw else raw)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQuery(name, f"`{name}` must be a date or time in ISO 8601") from None


def _choice(params: Mapping[str, str], name: str, allowed: Mapping[str, Any], default: str) -> str:
    value = params.get(name) or default
    if value not in allowed:
        raise BadQuery(name, f"`{name}` must be one of {', '.join(allowed)}")
    return value
