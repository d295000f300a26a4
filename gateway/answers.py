"""The body of `/chat`: an outcome as the caller sees it."""

import math
from dataclasses import dataclass

import orjson

from analytics.stats import usd
from caching.answers import StoredAnswer
from gateway.call import CacheReport, ChatOutcome, RouteReport


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    """The JSON of schemas.ChatAnswer with room for what differs between two hits of the same answer."""

    said: bytes
    """From behind the id to the age."""
    spent: bytes
    """From behind the age to the total time."""
    upstream: bytes
    """The rest."""

    def filled(self, request_id: str, age_s: float | None, total_ms: float) -> bytes:
        """Return the body; request_id as callers see it."""
        age = b"null" if age_s is None else b"%d" % math.floor(age_s)
        head = b'{"id":"%s",' % request_id.encode()
        return b"".join((head, self.said, age, self.spent, b"%.2f" % total_ms, self.upstream))


def frame_of(outcome: ChatOutcome) -> AnswerFrame:
    """Return the frame of an outcome with an answer."""
    answer, cache = outcome.answer, outcome.cache
    assert answer is not None
    assert cache is not None
    return AnswerFrame(
        said=_members(_said(answer, outcome)) + b',"cache":{' + _members(_found(cache)) + b',"age_s":',
        spent=b',"entry":%s},' % orjson.dumps(cache.entry)
        + _members(_spent(answer, outcome))
        + b',"timings_ms":{"total":',
        upstream=b',"upstream":%.2f}}' % outcome.upstream_ms,
    )


def chat_body(request_id: str, outcome: ChatOutcome, total_ms: float) -> bytes:
    """Return the JSON of schemas.ChatAnswer, or of the refusal. total_ms: from the arrival until now."""
    if outcome.refusal is not None:
        return outcome.refusal.body()
    age_s = outcome.cache.age_s if outcome.cache else None
    return frame_of(outcome).filled(request_id, age_s, total_ms)


def _members(values: dict[str, object]) -> bytes:
    """Return the members of an object, to be put into another."""
    return orjson.dumps(values)[1:-1]


def _said(answer: StoredAnswer, outcome: ChatOutcome) -> dict[str, object]:
    return {
        "answer": answer.text if outcome.text_json is None else orjson.Fragment(outcome.text_json),
        "model": answer.model,
        "provider": answer.provider,
        "finish_reason": answer.finish_reason,
        "route": _route(outcome.route),
    }


def _route(route: RouteReport | None) -> dict[str, object]:
    assert route is not None
    return {"complexity": route.complexity, "score": round(route.score, 3), "rule": route.rule}


def _found(cache: CacheReport) -> dict[str, object]:
    similarity = None if cache.similarity is None else round(cache.similarity, 4)
    return {"status": cache.status, "reason": cache.reason, "similarity": similarity}


def _spent(answer: StoredAnswer, outcome: ChatOutcome) -> dict[str, object]:
    return {
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cost": {"usd": usd(outcome.cost_nano), "saved_usd": usd(outcome.saved_nano)},
    }
