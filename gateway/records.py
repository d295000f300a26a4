"""How an ended call becomes a record: the only place that knows both."""

from typing import Any

from analytics.record import CallRecord
from gateway.admission import Admission
from gateway.call import CacheReport, ChatCall, ChatOutcome
from gateway.request_id import shown


def record_of(
    admission: Admission,
    endpoint: str,
    outcome: ChatOutcome,
    call: ChatCall | None = None,
    total_ms: float | None = None,
    *,
    purpose: str = "request",
) -> CallRecord:
    """Return the record of a call. `call` is None when the call ended before its body was understood.

    total_ms: what it took, if it ended before this moment. purpose: `request` for what a caller
    asked for.
    """
    cache, route, answer = outcome.cache, outcome.route, outcome.answer or outcome.partial
    return CallRecord(
        id=admission.arrival.request_id,
        tenant_id=admission.tenant_id,
        started_at=admission.arrival.started_at,
        key_public_id=admission.key.public_id,
        endpoint=endpoint,
        purpose=purpose,
        status=outcome.status,
        total_ms=admission.arrival.elapsed_ms() if total_ms is None else total_ms,
        policy_version=admission.tenant.version,
        error_code=outcome.refusal.code if outcome.refusal else "",
        client_request_id=admission.arrival.client_request_id,
        model_asked=call.model_asked if call else "",
        stream=call.stream if call else False,
        tags=call.tags if call else (),
        model=answer.model if answer else "",
        provider=answer.provider if answer else "",
        finish_reason=answer.finish_reason if answer else "",
        input_tokens=answer.input_tokens if answer else 0,
        output_tokens=answer.output_tokens if answer else 0,
        cached_input_tokens=answer.cached_input_tokens if answer else 0,
        reasoning_tokens=answer.reasoning_tokens if answer else 0,
        estimated=answer.estimated if answer else False,
        rule=route.rule if route else "",
        complexity=route.complexity if route else "",
        complexity_score=route.score if route else None,
        cache_status=cache.status if cache else "",
        cache_reason=(cache.reason or "") if cache else "",
        similarity=cache.similarity if cache else None,
        entry_id=cache.entry if cache else None,
        decision=_decision(cache),
        cost_nano=outcome.cost_nano,
        saved_nano=outcome.saved_nano,
        upstream_ms=outcome.upstream_ms,
        first_token_ms=outcome.first_token_ms,
        attempts=[dict(attempt) for attempt in outcome.attempts],
    )


def _decision(cache: CacheReport | None) -> dict[str, Any]:
    """Return what the semantic cache considered: what it rested on, and each neighbour with its verdict."""
    if cache is None or not cache.basis:
        return {}
    return {**cache.basis, "candidates": list(cache.trail)}


_LAYERS = {"hit_exact": "l1", "hit_semantic": "l2", "": "none"}


def log_fields(record: CallRecord) -> dict[str, object]:
    """Return what the log line of an ended call holds: no text, no key, nothing that a caller wrote freely."""
    return {
        "request_id": shown(record.id),
        "tenant_id": record.tenant_id,
        "key": record.key_public_id,
        "endpoint": record.endpoint,
        "status": record.status,
        "error_code": record.error_code or None,
        "cache_status": record.cache_status or None,
        "cache_reason": record.cache_reason or None,
        "layer": _LAYERS.get(record.cache_status, "upstream"),
        "model": record.model or None,
        "latency_ms": round(record.total_ms, 2),
        "upstream_ms": round(record.upstream_ms, 2),
        "first_token_ms": None if record.first_token_ms is None else round(record.first_token_ms, 2),
    }
