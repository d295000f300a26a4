"""The forms of `/chat`: one JSON object, or deltas and then the object without its answer."""

import math
from dataclasses import dataclass
from uuid import UUID

import orjson

from analytics.stats import usd
from caching.answers import StoredAnswer
from gateway.call import CacheReport, ChatOutcome, RouteReport
from gateway.providers.dialect import Chunk
from gateway.relay import Opening
from gateway.rendering.form import DONE, EVENTS, JSON, event, in_pieces, members
from gateway.request_id import shown


@dataclass(frozen=True, slots=True)
class ChatFrame:
    """The JSON of schemas.ChatAnswer, and what stands before and behind it."""

    before: bytes
    said: bytes
    """From behind the id to the age."""
    spent: bytes
    """From behind the age to the total time."""
    rest: bytes

    @property
    def size(self) -> int:
        return len(self.before) + len(self.said) + len(self.spent) + len(self.rest)

    def filled(self, request_id: UUID, age_s: float | None, total_ms: float) -> bytes:
        age = b"null" if age_s is None else b"%d" % math.floor(age_s)
        head = b'{"id":"%s",' % shown(request_id).encode()
        return b"".join((self.before, head, self.said, age, self.spent, b"%.2f" % total_ms, self.rest))


class ChatJson:
    """The whole answer in one object."""

    content_type = JSON

    def frame(self, outcome: ChatOutcome) -> ChatFrame:
        return _frame(outcome)


class ChatStream:
    """`data: {"delta": ...}` for each piece, then the object without its answer, then the end marker."""

    content_type = EVENTS

    def frame(self, outcome: ChatOutcome) -> ChatFrame:
        assert outcome.answer is not None
        deltas = b"".join(map(_delta, in_pieces(outcome.answer.text)))
        return _frame(outcome, before=deltas + b"data: ", with_answer=False, behind=b"\n\n" + DONE)

    def piece(self, chunk: Chunk, opening: Opening, request_id: UUID) -> bytes:
        """Only the first answer's text is told: `/chat` has no room for more."""
        texts = (choice["delta"].get("content") for choice in chunk.choices if choice["index"] == 0)
        return b"".join(_delta(text) for text in texts if text)

    def ending(self, outcome: ChatOutcome, request_id: UUID, total_ms: float) -> bytes:
        frame = _frame(outcome, before=b"data: ", with_answer=False, behind=b"\n\n" + DONE)
        return frame.filled(request_id, outcome.cache.age_s if outcome.cache else None, total_ms)


def _delta(text: str) -> bytes:
    return event({"delta": text})


def _frame(
    outcome: ChatOutcome, *, before: bytes = b"", with_answer: bool = True, behind: bytes = b""
) -> ChatFrame:
    answer, cache = outcome.answer, outcome.cache
    assert answer is not None
    assert cache is not None
    said = {**(_text(answer, outcome) if with_answer else {}), **_origin(answer, outcome)}
    return ChatFrame(
        before=before,
        said=members(said) + b',"cache":{' + members(_found(cache)) + b',"age_s":',
        spent=b',"entry":%s},' % orjson.dumps(cache.entry)
        + members(_spent(answer, outcome))
        + b',"timings_ms":{"total":',
        rest=b',"upstream":%.2f}}' % outcome.upstream_ms + behind,
    )


def _text(answer: StoredAnswer, outcome: ChatOutcome) -> dict[str, object]:
    ready = outcome.text_json
    return {"answer": answer.text if ready is None else orjson.Fragment(ready)}


def _origin(answer: StoredAnswer, outcome: ChatOutcome) -> dict[str, object]:
    return {
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
    found: dict[str, object] = {"status": cache.status, "reason": cache.reason, "similarity": similarity}
    return {**found, "stale": True} if cache.stale else found


def _spent(answer: StoredAnswer, outcome: ChatOutcome) -> dict[str, object]:
    return {
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cost": {"usd": usd(outcome.cost_nano), "saved_usd": usd(outcome.saved_nano)},
    }
