"""Sends spans to an OpenTelemetry collector; imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

Spans wait in a bounded queue and leave in a thread of their own. A collector that is dead, slow or frozen costs
spans, never calls: the queue drops, one request waits two seconds at most, and after a failure the collector
is left alone for a while.
"""

import logging
import time
from collections.abc import Sequence

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import Counter

from gateway import tracing

log = logging.getLogger(__name__)

SPANS = Counter(
    "halfpenny_spans_total", "Spans that were made, and those of them that the collector took", ["step"]
)
EXPORT_SECONDS = 2.0
PAUSE_SECONDS = 10.0
QUEUE_SPANS = 4096
BATCH_SPANS = 512
DELAY_MS = 1000


class PausingExporter(SpanExporter):
    """Drops spans at once for a while after a failure, so that a dead collector delays no shutdown."""

    def __init__(self, exporter: SpanExporter, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._exporter = exporter
        self._pause_seconds = pause_seconds
        self._asleep_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if time.monotonic() >= self._asleep_until:
            if self._exporter.export(spans) is SpanExportResult.SUCCESS:
                SPANS.labels(step="sent").inc(len(spans))
                return SpanExportResult.SUCCESS
            log.warning("the collector took no spans", extra={"pause_s": self._pause_seconds})
            self._asleep_until = time.monotonic() + self._pause_seconds
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._exporter.shutdown()


class CountingProcessor(SpanProcessor):
    """Counts what is made: the queue behind it drops without a word when it is full."""

    def on_end(self, span: ReadableSpan) -> None:
        SPANS.labels(step="made").inc()


def start() -> None:
    """Let the gateway make spans and send them to the collector of the settings."""
    # The library logs every try and every batch; PausingExporter says it once for each pause.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip("/") + "/v1/traces"
    provider = provider_to(PausingExporter(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS)))
    tracing.install(provider.get_tracer("halfpenny"), provider.shutdown)


def provider_to(exporter: SpanExporter) -> TracerProvider:
    """Return a provider that sends through a bounded queue; OTEL_TRACES_SAMPLER(_ARG) choose the share."""
    named = {"service.name": "halfpenny", "service.version": settings.HALFPENNY_VERSION}
    # uvicorn ends by a signal, so no handler at exit would run: the gateway's own stop closes the provider.
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(CountingProcessor())
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE_SPANS,
            max_export_batch_size=BATCH_SPANS,
            schedule_delay_millis=DELAY_MS,
        )
    )
    return provider
