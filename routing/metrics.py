"""Prometheus counters of what was asked upstream. Labels are bounded by configuration."""

from prometheus_client import Counter

ATTEMPTS = Counter(
    "halfpenny_upstream_attempts", "Attempts at upstreams, by how they ended.", ["provider", "reason"]
)
