"""Counters of what the caches could not do. What they did is in the records of calls."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

UNAVAILABLE = Counter(
    "halfpenny_cache_unavailable_total", "Calls that went on without a cache layer", ["layer", "reason"]
)
BROKEN_VALUES = Counter(
    "halfpenny_cache_broken_values_total", "Stored values that failed their schema", ["layer"]
)
UNSTORED = Counter("halfpenny_cache_unstored_total", "Answers that a layer did not keep", ["layer", "reason"])
COALESCED = Counter(
    "halfpenny_coalesced_total",
    "Misses that may be coalesced, by what their callers did: lead, lead_unleased, follow, alone",
    ["role"],
)
LATE_REPLIES = Counter(
    "halfpenny_embedding_late_replies_total", "Replies of the embedding worker that came after the budget"
)
EMBEDDING_BATCHES = Counter("halfpenny_embedding_batches_total", "Tasks published to the embedding worker")
EMBEDDED_TEXTS = Counter(
    "halfpenny_embedded_texts_total", "Texts that needed a vector, by where it came from", ["source"]
)

REFRESHES = Counter(
    "halfpenny_cache_refreshes_total",
    "Answers asked anew since they were served past their time",
    ["outcome"],
)

FEEDBACK = Counter(
    "halfpenny_cache_feedback_total",
    "Verdicts on answers, by what became of the answer: buried, unburied, purged, pinned, none",
    ["verdict", "effect"],
)


class MemoryMetrics(Collector):
    """Plain numbers of this process's memory: a look-up costs less than a Counter's `inc`."""

    def __init__(self) -> None:
        self.found = 0
        self.not_found = 0
        self.bytes = 0

    def collect(self) -> Iterator[Metric]:
        lookups = CounterMetricFamily(
            "halfpenny_memory_cache_lookups", "Look-ups in this process's memory", labels=["found"]
        )
        lookups.add_metric(["yes"], self.found)
        lookups.add_metric(["no"], self.not_found)
        yield lookups
        yield GaugeMetricFamily(
            "halfpenny_memory_cache_bytes", "Bytes of answers that this process holds in memory", self.bytes
        )


MEMORY = MemoryMetrics()
REGISTRY.register(MEMORY)
