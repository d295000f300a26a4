"""Spans of a call: one for the whole and one for each stage that ran. Costs nothing until `install`.

No prompt, no answer and no key is ever an attribute. What callers send (`traceparent`, `baggage`) is not read:
every call begins a trace of its own, so that nobody outside decides what is sampled or to whom it belongs.
This module knows OpenTelemetry only by the tracer it is given (see config.telemetry).
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from gateway.call import ChatCall, ChatOutcome
from gateway.request_id import shown

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_SERVER_ERROR = 500
_NOTHING: AbstractContextManager[None] = nullcontext()

_tracer: "Tracer | None" = None
_close: Callable[[], None] | None = None


def install(tracer: "Tracer", close: Callable[[], None]) -> None:
    """Make spans from now on. `close` sends what is left; it may block, but not for long."""
    global _tracer, _close
    _tracer, _close = tracer, close


async def stop() -> None:
    """Make no more spans and send those that are left, without blocking the loop."""
    global _tracer, _close
    close, _tracer, _close = _close, None, None
    if close is not None:
        await asyncio.to_thread(close)


def is_on() -> bool:
    """Whether spans are made."""
    return _tracer is not None


def traced(call: ChatCall, answering: Awaitable[ChatOutcome]) -> Awaitable[ChatOutcome]:
    """Return the awaitable itself, or one that also leaves a span of the call."""
    return answering if _tracer is None else _traced(_tracer, call, answering)


def stage(name: str) -> AbstractContextManager[None]:
    """Return a block that leaves a span of one stage, as a child of the call's."""
    return _NOTHING if _tracer is None else _stage(_tracer, name)


@contextmanager
def _stage(tracer: "Tracer", name: str) -> Generator[None]:
    with _span(tracer, name):
        yield


async def _traced(tracer: "Tracer", call: ChatCall, answering: Awaitable[ChatOutcome]) -> ChatOutcome:
    from opentelemetry.context import Context  # noqa: PLC0415 (never imported while tracing is off)
    from opentelemetry.trace import SpanKind  # noqa: PLC0415

    began = int(call.admission.arrival.started_at * 1e9)
    # An empty context: whatever else runs in this process, the call is the root of its trace.
    with _span(tracer, "chat", context=Context(), kind=SpanKind.SERVER, start_time=began) as span:
        span.set_attributes(_attributes_of_call(call))
        outcome = await answering
        span.set_attributes(_attributes_of_outcome(call, outcome))
        if outcome.status >= _SERVER_ERROR:
            _fail(span)
        return outcome


@contextmanager
def _span(tracer: "Tracer", name: str, **options: object) -> "Generator[Span]":
    """Open a span. An exception is noted by its type alone: its message may repeat what a caller wrote."""
    with tracer.start_as_current_span(
        name,
        record_exception=False,
        set_status_on_exception=False,
        **options,  # type: ignore[arg-type]  # checked where they are given
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            _fail(span)
            raise


def _fail(span: "Span") -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    span.set_status(StatusCode.ERROR)


def _attributes_of_call(call: ChatCall) -> dict[str, str | int | bool]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.stream": call.stream,
        "halfpenny.request_id": shown(call.admission.arrival.request_id),
        "halfpenny.tenant_id": call.admission.tenant_id,
        "halfpenny.policy_version": call.admission.tenant.version,
    }


def _attributes_of_outcome(call: ChatCall, outcome: ChatOutcome) -> dict[str, str | int | float | list[str]]:
    found: dict[str, str | int | float | list[str]] = {
        "http.response.status_code": outcome.status,
        "halfpenny.attempts": len(outcome.attempts),
        "halfpenny.upstream_ms": outcome.upstream_ms,
        "halfpenny.cost_nano_usd": outcome.cost_nano,
        "halfpenny.saved_nano_usd": outcome.saved_nano,
    }
    if outcome.refusal is not None:
        found["error.type"] = outcome.refusal.code
    if outcome.cache is not None:
        found["halfpenny.cache.status"] = outcome.cache.status
        found["halfpenny.cache.reason"] = outcome.cache.reason or ""
    if outcome.route is not None:
        # A model that was asked for and does not exist is a caller's text; one that was routed is a name.
        found["gen_ai.request.model"] = call.model_asked
        found["halfpenny.route.rule"] = outcome.route.rule
        found["halfpenny.route.complexity"] = outcome.route.complexity
    if (answer := outcome.answer) is not None:
        found["gen_ai.response.model"] = answer.model
        found["gen_ai.provider.name"] = answer.provider
        found["gen_ai.response.finish_reasons"] = [answer.finish_reason]
        found["gen_ai.usage.input_tokens"] = answer.input_tokens
        found["gen_ai.usage.output_tokens"] = answer.output_tokens
    return found
