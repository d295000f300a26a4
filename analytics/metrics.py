"""Prometheus metrics of finished calls. Labels are bounded: no tenant, key, user, prompt or path.

Counted in plain lists and numbers, since every call comes by here, and turned into Prometheus' families only
when somebody scrapes. Like the client library's own metrics they count for one process.
"""

import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import REGISTRY, Counter
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from analytics.record import CallRecord, FinishedCall

NANO = 1_000_000_000
#: Values of one label that are told apart; what comes after them counts as "other".
_MOST_VALUES = 30

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_FIRST_TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60)
_OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5)

RECORDS_SPOOLED = Counter("halfpenny_records_spooled", "Records written to the local spool file.")
RECORDS_LOST = Counter("halfpenny_records_lost", "Records that neither the stream nor the spool took.")


Kind = tuple[str, int, str]
"""Endpoint, status and cache status of a call."""


class Spans:
    """A histogram of seconds."""

    def __init__(self, name: str, documentation: str, bounds: tuple[float, ...]) -> None:
        self._name, self._documentation, self._bounds = name, documentation, bounds
        # Counted by CallMetrics itself: a call of a method costs as much as the counting.
        # One more than there are bounds: for what is longer than the last.
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def family(self, created: float) -> Metric:
        family = HistogramMetricFamily(self._name, self._documentation)
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        family.add_metric([], list(zip(bounds, accumulate(self.counts), strict=True)), self.sum)
        family.add_sample(f"{self._name}_created", {}, created)
        return family


class CallMetrics(Collector):
    """What was counted of finished calls; `observe` and `collect` belong on one thread."""

    def __init__(self) -> None:
        self._created = time.time()
        self._known: dict[str, set[str]] = {}
        self._requests: dict[Kind, int] = {}
        self._seconds = Spans("halfpenny_request_seconds", "Time from request to end of answer.", _SECONDS)
        self._overhead = Spans(
            "halfpenny_overhead_seconds", "Time of a call that was not spent upstream.", _OVERHEAD_SECONDS
        )
        self._first_token = Spans(
            "halfpenny_first_token_seconds",
            "Time from asking upstream to the first piece of a streamed answer.",
            _FIRST_TOKEN_SECONDS,
        )
        self._estimated = 0
        self._input_tokens = self._output_tokens = self._cost_nano = self._saved_nano = 0

    def observe(self, call: FinishedCall) -> None:
        """Count one finished call; background calls (purpose other than `request`) only by their money."""
        shared = call.shared
        if (cost_nano := shared.cost_nano + shared.overhead_nano) > 0:
            self._cost_nano += cost_nano
        if shared.saved_nano > 0:
            self._saved_nano += shared.saved_nano
        if shared.purpose != "request":
            return
        kind = (shared.endpoint, shared.status, shared.cache_status)
        if kind in self._requests:
            self._requests[kind] += 1
        else:
            self._count_new(kind)
        seconds = call.total_ms / 1000
        spans = self._seconds
        spans.counts[bisect_left(_SECONDS, seconds)] += 1
        spans.sum += seconds
        if shared.upstream_ms:
            seconds = max(0.0, seconds - shared.upstream_ms / 1000)
            self._count_upstream(shared)
        spans = self._overhead
        spans.counts[bisect_left(_OVERHEAD_SECONDS, seconds)] += 1
        spans.sum += seconds
        self._input_tokens += shared.input_tokens
        self._output_tokens += shared.output_tokens

    def collect(self) -> Iterator[Metric]:
        """Yield the families as a scrape shows them."""
        requests = CounterMetricFamily(
            "halfpenny_requests", "Finished data-plane calls.", labels=["endpoint", "status_class", "cache"]
        )
        for labels, count in self._requests_by_labels().items():
            requests.add_metric(labels, count, created=self._created)
        tokens = CounterMetricFamily("halfpenny_tokens", "Tokens of finished calls.", labels=["direction"])
        tokens.add_metric(["input"], self._input_tokens, created=self._created)
        tokens.add_metric(["output"], self._output_tokens, created=self._created)
        yield requests
        yield tokens
        yield self._seconds.family(self._created)
        yield self._overhead.family(self._created)
        yield self._first_token.family(self._created)
        yield CounterMetricFamily(
            "halfpenny_usage_estimated",
            "Calls whose tokens we counted ourselves, since their provider did not.",
            value=self._estimated,
            created=self._created,
        )
        yield self._money("halfpenny_cost_usd", "What finished calls cost, in USD.", self._cost_nano)
        yield self._money("halfpenny_saved_usd", "What hits saved (gross), in USD.", self._saved_nano)

    def _count_upstream(self, record: CallRecord) -> None:
        """Count what only calls that waited for upstream have: hits are not to pay for it."""
        # Who waited for another call's answer has a hit, whose usage that other call has counted.
        self._estimated += record.estimated and not record.cache_status.startswith("hit")
        if record.first_token_ms is not None:
            seconds = record.first_token_ms / 1000
            self._first_token.counts[bisect_left(_FIRST_TOKEN_SECONDS, seconds)] += 1
            self._first_token.sum += seconds

    def _money(self, name: str, documentation: str, nano: int) -> Metric:
        return CounterMetricFamily(name, documentation, value=nano / NANO, created=self._created)

    def _requests_by_labels(self) -> Counts[tuple[str, str, str]]:
        counts: Counts[tuple[str, str, str]] = Counts()
        for (endpoint, status, cache), count in self._requests.items():
            counts[endpoint, f"{status // 100}xx", cache or "none"] += count
        return counts

    def _count_new(self, kind: Kind) -> None:
        """Count a call of a kind that is not counted yet, under "other" where too many are told apart."""
        endpoint, status, cache = kind
        kind = (self._bounded("endpoint", endpoint), status, self._bounded("cache", cache))
        self._requests[kind] = self._requests.get(kind, 0) + 1

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
