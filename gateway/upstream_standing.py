"""How provider keys and targets stand in this process, for /readyz and /metrics."""

import time
from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway import runtime
from gateway.runtime import RunningParts
from routing.catalog import Catalog
from routing.standing import circuits_of, keys_of

_STATES = {"closed": 0, "half_open": 1, "open": 2}


def degraded(parts: RunningParts) -> frozenset[str]:
    """Return `provider_keys` while one is taken out, `circuits` while one is not closed."""
    if not parts.policies.ready:
        return frozenset()
    catalog, rests = parts.policies.gateway.part(Catalog), parts.upstream_health.rests()
    found = set()
    if any(standing.out for standing in keys_of(catalog, rests)):
        found.add("provider_keys")
    if any(state != "closed" for _, state in circuits_of(catalog, rests, time.time())):
        found.add("circuits")
    return frozenset(found)


class StandingMetrics(Collector):
    """Gauges that are read off when somebody scrapes; as many as there are keys and targets."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families; none before the first policy."""
        parts = runtime.at_hand()
        if parts is None or not parts.policies.ready:
            return
        catalog, rests = parts.policies.gateway.part(Catalog), parts.upstream_health.rests()
        up = GaugeMetricFamily(
            "halfpenny_provider_key_up", "1: in use, 0: taken out.", labels=["provider", "key"]
        )
        for standing in keys_of(catalog, rests):
            up.add_metric([standing.provider, standing.key], 0 if standing.out else 1)
        circuits = GaugeMetricFamily(
            "halfpenny_circuit_state", "0: closed, 1: half-open, 2: open.", labels=["target"]
        )
        for target, state in circuits_of(catalog, rests, time.time()):
            circuits.add_metric([target.full_name], _STATES[state])
        yield up
        yield circuits


REGISTRY.register(StandingMetrics())
