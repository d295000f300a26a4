"""Prometheus metrics of finished calls. Labels are bounded: no tenant, key, user, prompt or path.

Counted in plain lists and numbers, since every call comes by here, and turned into Prometheus' families only
when somebody scrapes. Like the client library's own metrics they count for one process.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import REGISTRY, Counter
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from analytics.record import FinishedCall

NANO = 1_000_000_000
#: Values of one label that are told apart; what comes after them counts as "other".
_MOST_VALUES = 30

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5)

RECORDS_SPOOLED = Counter("halfpenny_records_spooled", "Records written to the local spool file.")
RECORDS_LOST = Counter("halfpenny_records_lost", "Records that neither the stream nor the spool took.")


class Spans:
    """A histogram of seconds."""

    def __init__(self, name: str, documentation: str, bounds: tuple[float, ...]) -> None:
        self._name, self._documentation, self._bounds = name, documentation, bounds
        # One more: for what is longer than the last bound.
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def family(self, created: float) -> Metric:
        family = HistogramMetricFamily(self._name, self._documentation)
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        family.add_metric([], list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)
        family.add_sample(f"{self._name}_created", {}, created)
        return family


class CallMetrics(Collector):
    """What was counted of finished calls; `observe` and `collect` belong on one thread."""

    def __init__(self) -> None:
        self._created = time.time()
        self._labels: dict[tuple[str, int, str], tuple[str, str, str]] = {}
        self._known: dict[str, set[str]] = {}
        self._requests: dict[tuple[str, str, str], int] = {}
        self._seconds = Spans("halfpenny_request_seconds", "Time from request to end of answer.", _SECONDS)
        self._overhead = Spans(
            "halfpenny_overhead_seconds", "Time of a call that was not spent upstream.", _OVERHEAD_SECONDS
        )
        self._input_tokens = self._output_tokens = self._cost_nano = self._saved_nano = 0

    def observe(self, call: FinishedCall) -> None:
        """Count one finished call; background calls (purpose other than `request`) only by their money."""
        shared = call.shared
        self._cost_nano += max(0, shared.cost_nano + shared.overhead_nano)
        self._saved_nano += max(0, shared.saved_nano)
        if shared.purpose != "request":
            return
        kind = (shared.endpoint, shared.status, shared.cache_status)
        labels = self._labels.get(kind) or self._bounded_labels(kind)
        self._requests[labels] = self._requests.get(labels, 0) + 1
        seconds = call.total_ms / 1000
        self._seconds.observe(seconds)
        self._overhead.observe(max(0.0, seconds - shared.upstream_ms / 1000))
        self._input_tokens += shared.input_tokens
        self._output_tokens += shared.output_tokens

    def collect(self) -> Iterator[Metric]:
        """Yield the families as a scrape shows them."""
        requests = CounterMetricFamily(
            "halfpenny_requests", "Finished data-plane calls.", labels=["endpoint", "status_class", "cache"]
        )
        for labels, count in self._requests.items():
            requests.add_metric(labels, count, created=self._created)
        tokens = CounterMetricFamily("halfpenny_tokens", "Tokens of finished calls.", labels=["direction"])
        tokens.add_metric(["input"], self._input_tokens, created=self._created)
        tokens.add_metric(["output"], self._output_tokens, created=self._created)
        yield requests
        yield tokens
        yield self._seconds.family(self._created)
        yield self._overhead.family(self._created)
        yield self._money("halfpenny_cost_usd", "What finished calls cost, in USD.", self._cost_nano)
        yield self._money("halfpenny_saved_usd", "What hits saved (gross), in USD.", self._saved_nano)

    def _money(self, name: str, documentation: str, nano: int) -> Metric:
        return CounterMetricFamily(name, documentation, value=nano / NANO, created=self._created)

    def _bounded_labels(self, kind: tuple[str, int, str]) -> tuple[str, str, str]:
        endpoint, status, cache = kind
        labels = (
            self._bounded("endpoint", endpoint),
            f"{status // 100}xx",
            self._bounded("cache", cache or "none"),
        )
        if "other" not in labels:
            # Kinds beyond the bound are worked out each time: they must not pile up here either.
            self._labels[kind] = labels
        return labels

    def _bounded(self, label: str, value: str) -> str:
        values = self._known.setdefault(label, set())
        if value not in values:
            if len(values) >= _MOST_VALUES:
                return "other"
            values.add(value)
        return value


_calls = CallMetrics()
REGISTRY.register(_calls)

#: Counts a finished call in this process's registry.
observe = _calls.observe
