import time
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from analytics import metrics
from analytics.metrics import CallMetrics
from analytics.record import CallRecord, PreparedRecord
from tests.records import record_of

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of its own with a fresh CallMetrics in it, which `observed` fills."""
    return CollectorRegistry()


def _observed(registry: CollectorRegistry, *records: CallRecord) -> CallMetrics:
    made = CallMetrics()
    registry.register(made)
    for record in records:
        made.observe(record)
    return made


def _scraped(registry: CollectorRegistry) -> Samples:
    """Return every sample of a scrape, but for the times when counters were made."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_finished_call_is_counted_with_its_tokens_and_money() -> None:
    labels = {"endpoint": "/chat", "status_class": "2xx", "cache": "hit_exact"}
    before = [_value("halfpenny_requests_total", **labels), _value("halfpenny_saved_usd_total")]
    tokens = _value("halfpenny_tokens_total", direction="output")
    metrics.observe(record_of(cache_status="hit_exact", saved_nano=2_000_000_000, output_tokens=7))
    assert _value("halfpenny_requests_total", **labels) == before[0] + 1
    assert _value("halfpenny_saved_usd_total") == pytest.approx(before[1] + 2)
    assert _value("halfpenny_tokens_total", direction="output") == tokens + 7


def test_a_background_call_counts_only_by_its_money() -> None:
    requests = _value("halfpenny_request_seconds_count")
    cost = _value("halfpenny_cost_usd_total")
    metrics.observe(record_of(purpose="audit", overhead_nano=1_000_000_000))
    assert _value("halfpenny_request_seconds_count") == requests
    assert _value("halfpenny_cost_usd_total") == pytest.approx(cost + 1)


def test_made_up_labels_do_not_grow_without_bound(registry: CollectorRegistry) -> None:
    _observed(registry, *(record_of(endpoint=f"/made-up/{number}") for number in range(100)))
    counts = {dict(labels)["endpoint"]: value for (_, labels), value in _requests(registry)}
    assert (len(counts), counts["other"]) == (31, 70)


def _requests(registry: CollectorRegistry) -> list[tuple[tuple[str, tuple[tuple[str, str], ...]], float]]:
    return [(key, value) for key, value in _scraped(registry).items() if key[0] == "halfpenny_requests_total"]


def test_a_scrape_shows_what_the_client_library_would_have_counted(registry: CollectorRegistry) -> None:
    spans_ms = [0.0, 0.2, 0.25, 1.0, 1.0001, 12.5, 60_000.0, 500_000.0]
    _observed(registry, *(record_of(total_ms=ms, upstream_ms=ms / 4, input_tokens=3) for ms in spans_ms))
    known = CollectorRegistry()
    seconds = Histogram("halfpenny_request_seconds", "-", buckets=metrics._SECONDS, registry=known)
    overhead = Histogram("halfpenny_overhead_seconds", "-", buckets=metrics._OVERHEAD_SECONDS, registry=known)
    tokens = Counter("halfpenny_tokens", "-", ["direction"], registry=known)
    for ms in spans_ms:
        seconds.observe(ms / 1000)
        overhead.observe(ms / 1000 - ms / 4 / 1000)
        tokens.labels("input").inc(3)
        tokens.labels("output").inc(0)
    scraped = _scraped(registry)
    assert {name: scraped[name] for name in _scraped(known)} == _scraped(known)


def test_a_scrape_names_every_metric_with_its_labels(registry: CollectorRegistry) -> None:
    _observed(registry, record_of())
    families = {
        family.name: (family.type, sorted(family.samples[0].labels))
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        if not family.name.endswith("_created")
    }
    assert families == {
        "halfpenny_requests": ("counter", ["cache", "endpoint", "status_class"]),
        "halfpenny_tokens": ("counter", ["direction"]),
        "halfpenny_request_seconds": ("histogram", ["le"]),
        "halfpenny_overhead_seconds": ("histogram", ["le"]),
        "halfpenny_first_token_seconds": ("histogram", ["le"]),
        "halfpenny_usage_estimated": ("counter", []),
        "halfpenny_cost_usd": ("counter", []),
        "halfpenny_saved_usd": ("counter", []),
    }


def test_first_tokens_are_counted_of_calls_that_upstream_streamed(registry: CollectorRegistry) -> None:
    _observed(
        registry,
        record_of(first_token_ms=120.0, upstream_ms=900.0),
        record_of(first_token_ms=500.0, upstream_ms=900.0),
        record_of(upstream_ms=900.0),
        record_of(cache_status="hit_exact", stream=True),
    )
    scraped = _scraped(registry)
    counts = [
        scraped["halfpenny_first_token_seconds_bucket", (("le", bound),)] for bound in ("0.1", "0.2", "0.5")
    ]
    assert counts == [0, 1, 2]
    assert scraped["halfpenny_first_token_seconds_count", ()] == 2
    assert scraped["halfpenny_first_token_seconds_sum", ()] == pytest.approx(0.62)


def test_estimated_usage_is_counted_once_and_not_again_for_its_hits(registry: CollectorRegistry) -> None:
    _observed(
        registry,
        record_of(upstream_ms=9.0, estimated=True),
        record_of(upstream_ms=9.0),
        record_of(cache_status="hit_exact", estimated=True),
        record_of(cache_status="hit_exact", cache_reason="coalesced", upstream_ms=9.0, estimated=True),
    )
    assert _scraped(registry)["halfpenny_usage_estimated_total", ()] == 1


def test_a_repeated_call_counts_like_a_whole_record(registry: CollectorRegistry) -> None:
    prepared = PreparedRecord(record_of(cache_status="hit_exact", output_tokens=5, saved_nano=3))
    repeated = prepared.at(uuid4(), time.time(), 0.3)
    _observed(registry).observe(repeated)
    whole = CollectorRegistry()
    _observed(whole, repeated.whole())
    assert _scraped(registry) == _scraped(whole)
