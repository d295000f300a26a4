"""The spans that real calls leave: which stages ran, and nothing that a caller wrote."""

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway import tracing
from tests.gateway_house import House

CAPITAL = "What is the capital of France?"
REPHRASED = "The capital of France is what?"
FORGED = "00-11111111111111111111111111111111-2222222222222222-00"


@pytest.fixture
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.install(provider.get_tracer("test"), provider.shutdown)
    yield exporter
    await tracing.stop()


def taken(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """Return the spans so far by name, and forget them."""
    found = {span.name: span for span in exporter.get_finished_spans()}
    exporter.clear()
    return found


async def test_each_call_leaves_the_stages_that_ran(house: House, spans: InMemorySpanExporter) -> None:
    await house.ask(house.alice, CAPITAL)
    assert set(taken(spans)) == {
        "chat",
        "plan",
        "recall_exact",
        "recall_similar",
        "coalesce",
        "ask_upstream",
    }
    assert await house.status(house.alice, CAPITAL) == "hit_exact"
    assert set(taken(spans)) == {"chat", "plan", "recall_exact"}
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    assert set(taken(spans)) == {"chat", "plan", "recall_exact", "recall_similar"}


async def test_a_miss_tells_model_tokens_and_cost(house: House, spans: InMemorySpanExporter) -> None:
    answer = await house.ask(house.alice, CAPITAL)
    attributes = dict(taken(spans)["chat"].attributes or {})
    assert attributes["gen_ai.response.model"] == answer["model"]
    assert attributes["gen_ai.provider.name"] == answer["provider"]
    assert attributes["gen_ai.usage.input_tokens"] == answer["usage"]["input_tokens"]
    assert attributes["gen_ai.usage.output_tokens"] == answer["usage"]["output_tokens"]
    assert attributes["halfpenny.cache.status"] == "miss"
    assert attributes["halfpenny.request_id"] == answer["id"]
    assert attributes["halfpenny.tenant_id"] == house.tenant.pk


async def test_no_span_holds_prompt_answer_or_key(house: House, spans: InMemorySpanExporter) -> None:
    answer = await house.ask(house.alice, CAPITAL, user="user-canary", tags=["tag-canary"])
    shown = "".join(span.to_json() for span in spans.get_finished_spans())
    for secret in (CAPITAL, answer["answer"], house.alice, "user-canary", "tag-canary"):
        assert secret not in shown


async def test_a_caller_decides_neither_trace_nor_sampling(house: House, spans: InMemorySpanExporter) -> None:
    # The forged parent says "not sampled": trusting it would hide the call.
    forged = {"traceparent": FORGED, "baggage": f"halfpenny.tenant_id={house.other_tenant.pk}"}
    await house.post(house.alice, {"prompt": CAPITAL}, **forged)
    chat = taken(spans)["chat"]
    assert chat.parent is None
    assert chat.context is not None
    assert f"{chat.context.trace_id:032x}" != FORGED.split("-")[1]
    assert (chat.attributes or {})["halfpenny.tenant_id"] == house.tenant.pk
