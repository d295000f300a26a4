"""Prometheus metrics of finished calls. Labels are bounded: no tenant, key, user, prompt or path."""

from prometheus_client import Counter, Histogram

from analytics.record import CallRecord

NANO = 1_000_000_000
#: Values of one label that are told apart; what comes after them counts as "other".
_MOST_VALUES = 30

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5)

REQUESTS = Counter("halfpenny_requests", "Finished data-plane calls.", ["endpoint", "status_class", "cache"])
REQUEST_SECONDS = Histogram(
    "halfpenny_request_seconds", "Time from request to end of answer.", buckets=_SECONDS
)
OVERHEAD_SECONDS = Histogram(
    "halfpenny_overhead_seconds", "Time of a call that was not spent upstream.", buckets=_OVERHEAD_SECONDS
)
TOKENS = Counter("halfpenny_tokens", "Tokens of finished calls.", ["direction"])
COST_USD = Counter("halfpenny_cost_usd", "What finished calls cost, in USD.")
SAVED_USD = Counter("halfpenny_saved_usd", "What hits saved (gross), in USD.")
L2_SKIPPED = Counter("halfpenny_l2_skipped", "Calls that went on without the semantic cache.", ["reason"])
RECORDS_SPOOLED = Counter("halfpenny_records_spooled", "Records written to the local spool file.")
RECORDS_LOST = Counter("halfpenny_records_lost", "Records that neither the stream nor the spool took.")

_known: dict[str, set[str]] = {}


def observe(record: CallRecord) -> None:
    """Count one finished call; background calls (purpose other than `request`) only by their money."""
    COST_USD.inc(max(0, record.cost_nano + record.overhead_nano) / NANO)
    SAVED_USD.inc(max(0, record.saved_nano) / NANO)
    if record.purpose != "request":
        return
    endpoint = _bounded("endpoint", record.endpoint)
    REQUESTS.labels(
        endpoint, f"{record.status // 100}xx", _bounded("cache", record.cache_status or "none")
    ).inc()
    REQUEST_SECONDS.observe(record.total_ms / 1000)
    OVERHEAD_SECONDS.observe(max(0.0, record.total_ms - record.upstream_ms) / 1000)
    TOKENS.labels("input").inc(record.input_tokens)
    TOKENS.labels("output").inc(record.output_tokens)


def count_l2_skipped(reason: str) -> None:
    """Count a call that went on without the semantic cache."""
    L2_SKIPPED.labels(_bounded("l2_skipped", reason)).inc()


def _bounded(label: str, value: str) -> str:
    values = _known.setdefault(label, set())
    if value not in values:
        if len(values) >= _MOST_VALUES:
            return "other"
        values.add(value)
    return value
