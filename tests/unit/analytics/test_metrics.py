from prometheus_client import REGISTRY

from analytics import metrics
from tests.records import record_of


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_finished_call_is_counted_with_its_tokens_and_money() -> None:
    labels = {"endpoint": "/chat", "status_class": "2xx", "cache": "hit_exact"}
    before = [_value("halfpenny_requests_total", **labels), _value("halfpenny_saved_usd_total")]
    tokens = _value("halfpenny_tokens_total", direction="output")
    metrics.observe(record_of(cache_status="hit_exact", saved_nano=2_000_000_000, output_tokens=7))
    assert _value("halfpenny_requests_total", **labels) == before[0] + 1
    assert _value("halfpenny_saved_usd_total") == before[1] + 2
    assert _value("halfpenny_tokens_total", direction="output") == tokens + 7


def test_a_background_call_counts_only_by_its_money() -> None:
    requests = _value("halfpenny_request_seconds_count")
    cost = _value("halfpenny_cost_usd_total")
    metrics.observe(record_of(purpose="audit", overhead_nano=1_000_000_000))
    assert (_value("halfpenny_request_seconds_count"), _value("halfpenny_cost_usd_total")) == (
        requests,
        cost + 1,
    )


def test_made_up_labels_do_not_grow_without_bound() -> None:
    for number in range(100):
        metrics.count_l2_skipped(f"reason-{number}")
    assert _value("halfpenny_l2_skipped_total", reason="other") >= 70
