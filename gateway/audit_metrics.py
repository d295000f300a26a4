"""What audits found, for Prometheus: of all tenants, by this process, since it started."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from caching.judged import Label, Method, Origin
from caching.truth import exact_interval

_JUDGED = Counter(
    "halfpenny_judged_pairs",
    "Stored answers compared with upstream's, by why, what came of it and how it was told",
    ["origin", "label", "method"],
)
DROPPED = Counter(
    "halfpenny_audits_dropped", "Audits and comparisons that were given up, by reason", ["reason"]
)
ALIASES = Counter("halfpenny_aliases", "Questions that became aliases of an entry after a comparison")


class WrongHits(Collector):
    """The share of audited semantic hits that were wrong, and its exact 95 % interval."""

    def __init__(self) -> None:
        self.judged = self.wrong = 0

    def observe(self, origin: Origin, label: Label, method: Method) -> None:
        """Count a comparison."""
        _JUDGED.labels(origin=origin, label=label, method=method or "none").inc()
        if origin == "audit" and label != "unsure":
            self.judged += 1
            self.wrong += label == "different"

    def collect(self) -> Iterator[Metric]:
        """Yield the share and its bounds; without any audit nothing is known, and only the bounds are told."""
        family = GaugeMetricFamily(
            "halfpenny_wrong_hit_share", "Wrong ones among audited semantic hits", labels=["bound"]
        )
        interval = exact_interval(self.wrong, self.judged)
        family.add_metric(["low"], interval.low)
        family.add_metric(["high"], interval.high)
        if self.judged:
            family.add_metric(["point"], self.wrong / self.judged)
        yield family


_wrong_hits = WrongHits()
REGISTRY.register(_wrong_hits)

#: Counts a comparison in this process's registry.
observe = _wrong_hits.observe
