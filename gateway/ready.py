"""A hit from memory with everything made that doesn't differ from one call to the next.

It is made once by the functions that make every other answer (gateway.recalling, gateway.answers,
gateway.records); a call then only fills in its own id, times and limits.
"""

import time
from dataclasses import dataclass
from weakref import ReferenceType, ref

from analytics.record import FinishedCall, PreparedRecord
from caching.memory import HeldAnswer
from caching.recall import exact_hit
from gateway import headers, recalling
from gateway.admission import Admission
from gateway.planning import Plan
from gateway.records import record_of
from gateway.rendering import form_of
from gateway.rendering.form import Frame
from gateway.request_id import shown


@dataclass(slots=True)
class EdgeAnswer:
    """What one call gets and leaves."""

    status: int
    head: bytes
    """Header lines besides those of the content."""
    body: bytes
    content_type: bytes
    record: FinishedCall | None


@dataclass(frozen=True, slots=True)
class ReadyHit:
    """One held answer for the calls of one plan."""

    held: "ReferenceType[HeldAnswer]"
    """Weak: what memory (L0) has dropped must not live on here."""
    fingerprint: bytes
    max_age_s: float | None
    """The greatest age that the question's caller accepts."""
    created_at: float
    stale_at: float
    until: float
    """Unix seconds from which the saving may be another."""
    frame: Frame
    content_type: bytes
    record: PreparedRecord

    @classmethod
    def of(cls, plan: Plan, held: HeldAnswer) -> "ReadyHit":
        outcome = recalling.served_exact(plan, exact_hit(held))
        form = form_of(plan.call)
        return cls(
            held=ref(held),
            fingerprint=plan.prints.exact,
            max_age_s=plan.call.cache.max_age_s,
            created_at=held.answer.created_at,
            stale_at=held.answer.stale_at,
            until=recalling.saving_holds_until(plan, held.answer, time.time()),
            frame=form.frame(outcome),
            content_type=form.content_type,
            record=PreparedRecord(record_of(plan.call.admission, plan.call.endpoint, outcome, plan.call)),
        )

    def serves(self, held: HeldAnswer, now: float) -> bool:
        """Whether this is still the hit of that answer; now: Unix seconds."""
        return self.held() is held and now < self.until

    def to(self, admission: Admission) -> EdgeAnswer:
        """Return the answer to a call that is admitted and ends now. Its age is that at the call's arrival."""
        arrival = admission.arrival
        total_ms, now = arrival.elapsed_ms(), arrival.started_at
        head = headers.of_call(shown(arrival.request_id), admission.limits, total_ms, 0.0)
        return EdgeAnswer(
            status=200,
            body=self.frame.filled(arrival.request_id, max(0.0, now - self.created_at), total_ms),
            content_type=self.content_type,
            head=head + headers.of_exact_hit(max(0.0, self.stale_at - now)),
            record=self.record.at(
                arrival.request_id, arrival.started_at, total_ms, arrival.client_request_id
            ),
        )
