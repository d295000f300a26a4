"""Verdicts on answers that were given: what they are about, and what becomes of the answer; blocking.

A semantic hit is known for a day by what it was asked (caching.asked), as soon as it was served; every other call
by its record, some seconds later.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.utils import timezone

from analytics.selectors import past_call
from caching.asked import LONGEST_S, find_asked
from caching.metrics import FEEDBACK
from caching.tombstones import Author, Feedback, Verdict, judge_answer_of, judge_entry, judge_hit

__all__ = ["UnknownRequest", "Verdict", "give_feedback"]

#: Records are written by another process; this is far longer than it takes.
_RECORDED_WITHIN = timedelta(minutes=1)


class UnknownRequest(Exception):
    """The tenant has no such request, or it is too long ago.

    `recent`: by its id it may be so new that it isn't recorded yet. That says nothing of whose it is.
    """

    def __init__(self, *, recent: bool) -> None:
        super().__init__("recent" if recent else "unknown")
        self.recent = recent


def give_feedback(
    tenant_id: int, request_id: UUID, verdict: Verdict, *, note: str, author: Author
) -> Feedback:
    """Take note of a verdict on the answer to a tenant's request.

    Raises UnknownRequest, and CacheUnavailable, after which the call may be repeated.
    """
    feedback = _judge(tenant_id, request_id, verdict, note, author)
    if not feedback.repeated:
        FEEDBACK.labels(verdict=verdict, effect=feedback.effect).inc()
    return feedback


def _judge(tenant_id: int, request_id: UUID, verdict: Verdict, note: str, author: Author) -> Feedback:
    if hit := find_asked(tenant_id, request_id):
        return judge_hit(tenant_id, request_id, hit, verdict, note=note, author=author)
    began_at = _began_at(request_id)
    age = timezone.now() - began_at
    if not -_RECORDED_WITHIN < age < timedelta(seconds=LONGEST_S):
        raise UnknownRequest(recent=False)
    call = past_call(tenant_id, request_id, began_at=began_at)
    if call is None:
        raise UnknownRequest(recent=age < _RECORDED_WITHIN)
    if call.entry_id is not None:
        return judge_entry(tenant_id, call.entry_id, verdict, author=author)
    return judge_answer_of(tenant_id, request_id, verdict)


def _began_at(request_id: UUID) -> datetime:
    """Return when the request arrived, as its id tells; the beginning of time for an id that can't be ours."""
    try:
        return datetime.fromtimestamp((request_id.int >> 80) / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)
