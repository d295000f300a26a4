"""Spans on their way out: to a collector that listens, to one that is dead, and to none at all."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.conf import LazySettings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import REGISTRY

from config import telemetry
from gateway import tracing
from tests.demo_upstream import free_port


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP and remembers the spans' names."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = ExportTraceServiceRequest.FromString(body)
        received = [
            span.name for each in sent.resource_spans for scope in each.scope_spans for span in scope.spans
        ]
        self.server.received.extend(received)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Collector)
    server.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def counted(step: str) -> float:
    return REGISTRY.get_sample_value("halfpenny_spans_total", {"step": step}) or 0.0


async def test_spans_reach_the_collector_when_the_process_stops(
    collector: HTTPServer, settings: LazySettings
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{collector.server_port}/"
    telemetry.start()
    sent = counted("sent")
    with tracing.stage("plan"):
        pass
    await tracing.stop()
    assert counted("sent") == sent + 1
    assert collector.received == ["plan"]  # type: ignore[attr-defined]


async def test_a_dead_collector_costs_spans_and_nothing_else(settings: LazySettings) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{free_port()}"
    telemetry.start()
    before = counted("made"), counted("sent")
    made = 3 * telemetry.BATCH_SPANS
    for _ in range(made):
        with tracing.stage("plan"):
            pass
    await tracing.stop()
    assert (counted("made"), counted("sent")) == (before[0] + made, before[1])


class Silent(SpanExporter):
    """Counts how often it was asked; takes nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked += 1
        return SpanExportResult.FAILURE


def test_a_collector_that_failed_is_left_alone_for_a_while() -> None:
    silent = Silent()
    exporter = telemetry.PausingExporter(silent, pause_seconds=3600)
    assert [exporter.export([]) for _ in range(5)] == [SpanExportResult.FAILURE] * 5
    assert silent.asked == 1


def test_a_collector_is_asked_again_after_the_pause() -> None:
    silent = Silent()
    exporter = telemetry.PausingExporter(silent, pause_seconds=0.0)
    exporter.export([])
    exporter.export([])
    assert silent.asked == 2


@pytest.mark.parametrize(("endpoint", "loaded"), [("", False), ("http://127.0.0.1:9", True)])
def test_web_loads_what_makes_and_sends_spans_only_where_a_collector_is_named(
    endpoint: str, loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    # redis-py takes OpenTelemetry's metrics in by itself, wherever they are installed.
    look = (
        "import config.asgi, sys, json; names = ('opentelemetry.sdk.trace', 'opentelemetry.exporter'); "
        "print(json.dumps([name in sys.modules for name in names]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(answer.stdout) == [loaded, loaded]


def test_the_queue_is_bounded() -> None:
    provider = telemetry.provider_to(Silent())
    processor = provider._active_span_processor._span_processors[1]
    assert processor._batch_processor._queue.maxlen == telemetry.QUEUE_SPANS  # type: ignore[attr-defined]
    provider.shutdown()
