"""The body of `/chat`: an outcome as the caller sees it."""

import math

import orjson

from analytics.stats import usd
from gateway.admission import Admission
from gateway.call import CacheReport, ChatOutcome, RouteReport
from gateway.request_id import shown


def chat_body(admission: Admission, outcome: ChatOutcome, total_ms: float) -> bytes:
    """Return the JSON of schemas.ChatAnswer, or of the refusal. total_ms: from the arrival until now."""
    if outcome.refusal is not None:
        return outcome.refusal.body()
    answer = outcome.answer
    assert answer is not None
    return orjson.dumps(
        {
            "id": shown(admission.arrival.request_id),
            "answer": answer.text if outcome.text_json is None else orjson.Fragment(outcome.text_json),
            "model": answer.model,
            "provider": answer.provider,
            "finish_reason": answer.finish_reason,
            "route": _route(outcome.route),
            "cache": _cache(outcome.cache),
            "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
            "cost": {"usd": usd(outcome.cost_nano), "saved_usd": usd(outcome.saved_nano)},
            "timings_ms": {
                "total": round(total_ms, 2),
                "upstream": round(outcome.upstream_ms, 2),
            },
        }
    )


def _route(route: RouteReport | None) -> dict[str, object]:
    assert route is not None
    return {"complexity": route.complexity, "score": round(route.score, 3), "rule": route.rule}


def _cache(cache: CacheReport | None) -> dict[str, object]:
    assert cache is not None
    return {
        "status": cache.status,
        "reason": cache.reason,
        "similarity": None if cache.similarity is None else round(cache.similarity, 4),
        "age_s": None if cache.age_s is None else math.floor(cache.age_s),
        "entry": None if cache.entry is None else str(cache.entry),
    }
