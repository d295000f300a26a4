"""Sums of records that are exact at any moment: rollups where they are up to date, records elsewhere.

An hour is taken from the rollups when it lies wholly in the range and is not marked dirty; the running hour,
late rows and the edges of the range come from the records. One statement reads all of it, so that a rollup
that runs at the same time changes nothing.

What is counted:
- requests: records with purpose `request`, refusals of valid keys included;
- hits_exact, hits_semantic, bypassed: by cache status; misses: `miss`, `refresh` and `error` (asked upstream);
  what is left of the requests was refused before the caches were asked;
- errors: status 400 and above but 429 (counted as rate_limited) and 499 (the caller hung up);
- cost_nano, saved_nano: of requests; background calls (audits, shadow) are in overhead_nano only.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from analytics.latency import BIN_SQL, percentile

#: The sums of a rollup in the order of its columns.
MEASURES = (
    "requests",
    "errors",
    "rate_limited",
    "input_tokens",
    "output_tokens",
    "cost_nano",
    "saved_nano",
    "overhead_nano",
)
#: The same computed from records; analytics/rollups.py uses it too, so that both ways agree.
MEASURES_SQL = """
    count(*) FILTER (WHERE purpose = 'request') AS requests,
    count(*) FILTER (WHERE purpose = 'request' AND status >= 400 AND status NOT IN (429, 499)) AS errors,
    count(*) FILTER (WHERE purpose = 'request' AND status = 429) AS rate_limited,
    coalesce(sum(input_tokens) FILTER (WHERE purpose = 'request'), 0) AS input_tokens,
    coalesce(sum(output_tokens) FILTER (WHERE purpose = 'request'), 0) AS output_tokens,
    coalesce(sum(cost_nano) FILTER (WHERE purpose = 'request'), 0) AS cost_nano,
    coalesce(sum(saved_nano) FILTER (WHERE purpose = 'request'), 0) AS saved_nano,
    sum(overhead_nano + CASE WHEN purpose = 'request' THEN 0 ELSE cost_nano END) AS overhead_nano
"""

# `calls` are the requests of the bin. A rollup gives its measures once, without a bin, and its bins apart.
_QUERY = """
WITH clean AS (
    SELECT *, hour AS at FROM analytics_hourlyrollup AS r
    WHERE hour >= %(first)s AND hour < %(last)s AND {tenant} AND NOT EXISTS (
        SELECT FROM analytics_dirty_hour AS d WHERE d.tenant_id = r.tenant_id AND d.hour = r.hour)
), loose AS (
    SELECT *, started_at AS at FROM analytics_requestrecord
    WHERE {tenant} AND started_at >= %(since)s AND started_at < %(first)s
    UNION ALL
    SELECT *, started_at AS at FROM analytics_requestrecord
    WHERE {tenant} AND started_at >= %(last)s AND started_at < %(until)s
    UNION ALL
    SELECT r.*, r.started_at AS at FROM analytics_dirty_hour AS d JOIN analytics_requestrecord AS r
        ON r.tenant_id = d.tenant_id AND r.started_at >= d.hour AND r.started_at < d.hour + interval '1 hour'
    WHERE d.{tenant} AND d.hour >= %(first)s AND d.hour < %(last)s
), facts AS (
    SELECT {dimensions}, cache_status, NULL::integer AS bin, {measures}, 0 AS calls FROM clean
    UNION ALL
    SELECT {dimensions}, cache_status, b.number::integer - 1, {nothing}, b.calls
    FROM clean, unnest(latency_bins) WITH ORDINALITY AS b (calls, number) WHERE b.calls > 0
    UNION ALL
    SELECT *, requests FROM (
        SELECT {dimensions}, cache_status, {bin} AS bin, {measured} FROM loose
        GROUP BY {numbers}, cache_status, bin
    ) AS counted
)
SELECT {levels}, {names}, cache_status, bin, {totals}, sum(calls)
FROM facts GROUP BY GROUPING SETS ({sets})
"""


@dataclass(frozen=True, kw_only=True)
class Span:
    """What is summed: the records of one tenant (None: all tenants) that started in [since, until)."""

    since: datetime
    until: datetime
    tenant_id: int | None = None
    from_records: bool = False
    """Leave the rollups alone, for buckets that are finer than an hour."""


@dataclass(kw_only=True)
class Sums:
    """Counts, nano-USD and latencies of some records."""

    numbers: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    """Requests by cache status."""
    bins: Counter[int] = field(default_factory=Counter)
    """Requests by bin of latency."""

    @property
    def hits(self) -> int:
        return self.by_status["hit_exact"] + self.by_status["hit_semantic"]

    @property
    def misses(self) -> int:
        return sum(self.by_status[status] for status in ("miss", "refresh", "error"))

    @property
    def hit_ratio(self) -> float | None:
        """Hits among the calls that could have been hits; None when there was none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None

    def latency_ms(self, share: float) -> float | None:
        return percentile(self.bins, share)

    def add(self, cache_status: str, bin_index: int | None, numbers: Sequence[int], calls: int) -> None:
        """Add a row of the query: MEASURES in their order, and the requests of the bin."""
        self.numbers.update(dict(zip(MEASURES, map(int, numbers), strict=True)))
        self.by_status[cache_status] += int(numbers[0])
        if bin_index is not None:
            self.bins[bin_index] += int(calls)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            numbers=_added(self.numbers, other.numbers),
            by_status=_added(self.by_status, other.by_status),
            bins=_added(self.bins, other.bins),
        )


def sums_query(span: Span, dimensions: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the statement and its parameters that sum the span once by each dimension.

    dimensions: trusted SQL of type text over `at`, tenant_id, key_public_id, model, cache_status, rule.
    """
    names = [f"d{i}" for i in range(len(dimensions))]
    first, last = _whole_hours(span)
    text = _QUERY.format(
        tenant="tenant_id = %(tenant)s" if span.tenant_id is not None else "tenant_id IS NOT NULL",
        dimensions=", ".join(f"{sql} AS {name}" for sql, name in zip(dimensions, names, strict=True)),
        numbers=", ".join(str(i + 1) for i in range(len(names))),
        measures=", ".join(MEASURES),
        nothing=", ".join("0" for _ in MEASURES),
        bin=BIN_SQL,
        measured=MEASURES_SQL,
        levels=", ".join(f"grouping({name})" for name in names),
        names=", ".join(names),
        totals=", ".join(f"sum({name})" for name in MEASURES),
        sets=", ".join(f"({name}, cache_status, bin)" for name in names),
    )
    return text, {
        "since": span.since,
        "until": span.until,
        "first": first,
        "last": last,
        "tenant": span.tenant_id,
    }


def read_sums(rows: Iterable[Sequence[Any]], dimensions: int) -> list[dict[str, Sums]]:
    """Return, for each dimension, its values (sorted) with their sums."""
    found: list[dict[str, Sums]] = [{} for _ in range(dimensions)]
    for row in rows:
        which = row.index(0, 0, dimensions)
        sums = found[which].setdefault(row[dimensions + which], Sums())
        cache_status, bin_index, *numbers, calls = row[2 * dimensions :]
        sums.add(cache_status, bin_index, numbers, calls)
    return [dict(sorted(each.items())) for each in found]


def _whole_hours(span: Span) -> tuple[datetime, datetime]:
    """Return the bounds of what may come from rollups; equal when nothing may."""
    first = -(-span.since.timestamp() // 3600) * 3600
    last = span.until.timestamp() // 3600 * 3600
    if span.from_records or first >= last:
        return span.until, span.until
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)


def _added(one: Counter[Any], other: Counter[Any]) -> Counter[Any]:
    # Counter's own + drops what is not positive.
    added = Counter(one)
    added.update(other)
    return added
