import asyncio
from collections.abc import AsyncIterator
from unittest.mock import Mock

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway import errors, tracing
from gateway.call import CacheReport, ChatCall, ChatOutcome, RouteReport
from tests.unit.gateway.test_headers import admission

SECRET = "the-secret-word"


def call(model: str = "auto") -> ChatCall:
    question = {"role": "user", "content": SECRET}
    return ChatCall(
        admission=admission(),
        endpoint="/chat",
        model_asked=model,
        messages=(question,),
        params={},
        user=SECRET,
    )


async def outcome_of(outcome: ChatOutcome) -> ChatOutcome:
    with tracing.stage("plan"):
        pass
    return outcome


HIT = ChatOutcome(
    cache=CacheReport(status="hit_exact"), route=RouteReport(complexity="simple", score=0.1, rule="default")
)


@pytest.fixture
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.install(provider.get_tracer("test"), provider.shutdown)
    yield exporter
    await tracing.stop()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_call_is_a_root_span_and_its_stages_are_children(spans: InMemorySpanExporter) -> None:
    assert await tracing.traced(call(), outcome_of(HIT)) is HIT
    found = by_name(spans)
    assert found["chat"].parent is None
    assert found["chat"].kind is SpanKind.SERVER
    assert found["plan"].parent == found["chat"].context


async def test_a_span_tells_how_the_call_ended(spans: InMemorySpanExporter) -> None:
    asked = call()
    await tracing.traced(asked, outcome_of(HIT))
    attributes = dict(by_name(spans)["chat"].attributes or {})
    assert attributes["halfpenny.cache.status"] == "hit_exact"
    assert attributes["halfpenny.tenant_id"] == 1
    assert attributes["gen_ai.request.model"] == "auto"
    assert str(attributes["halfpenny.request_id"]).startswith("req_")


async def test_no_span_holds_the_callers_text(spans: InMemorySpanExporter) -> None:
    refused = ChatOutcome(refusal=errors.model_not_found(SECRET))
    await tracing.traced(call(model=SECRET), outcome_of(refused))
    assert SECRET not in "".join(span.to_json() for span in spans.get_finished_spans())


async def test_an_exception_is_noted_without_its_message(spans: InMemorySpanExporter) -> None:
    async def broken() -> ChatOutcome:
        with tracing.stage("ask_upstream"):
            raise ValueError(SECRET)

    with pytest.raises(ValueError, match=SECRET):
        await tracing.traced(call(), broken())
    found = by_name(spans)
    for span in found.values():
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "ValueError"
        assert SECRET not in span.to_json()
    assert len(found) == 2


async def test_a_caller_who_hangs_up_leaves_a_finished_span(spans: InMemorySpanExporter) -> None:
    running = asyncio.ensure_future(tracing.traced(call(), asyncio.sleep(60, result=HIT)))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (by_name(spans)["chat"].attributes or {})["error.type"] == "CancelledError"


async def test_calls_side_by_side_are_traces_of_their_own(spans: InMemorySpanExporter) -> None:
    await asyncio.gather(*(tracing.traced(call(), outcome_of(HIT)) for _ in range(5)))
    traces = {span.context.trace_id for span in spans.get_finished_spans() if span.context}
    assert len(traces) == 5
    assert len(spans.get_finished_spans()) == 10


async def test_without_a_tracer_the_call_is_passed_on_untouched() -> None:
    answering = outcome_of(HIT)
    assert tracing.traced(call(), answering) is answering
    assert tracing.stage("plan") is tracing.stage("recall_exact")
    assert await answering is HIT


async def test_stopping_closes_once() -> None:
    close = Mock()
    tracing.install(Mock(), close)
    await tracing.stop()
    await tracing.stop()
    assert close.call_count == 1
