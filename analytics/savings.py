"""What is on record of stored answers: what they saved, and what they were made for (blocking, as the owner)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Avg, Sum

from analytics.models import RequestRecord


def savings_by_entry(tenant_id: int, since: datetime) -> dict[UUID, int]:
    """Return nano-USD by entry, of the tenant's requests from that moment on."""
    hits = RequestRecord.objects.filter(
        tenant_id=tenant_id,
        started_at__gte=since,
        purpose="request",
        entry_id__isnull=False,
        saved_nano__gt=0,
    )
    return dict(hits.order_by().values_list("entry_id").annotate(saved=Sum("saved_nano")))


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRequest:
    """What a record tells of a request besides its text, which it doesn't hold."""

    model_asked: str
    tags: tuple[str, ...]


def past_requests(tenant_id: int, request_ids: Collection[UUID]) -> dict[UUID, PastRequest]:
    """Return those of the tenant's calls that are still on record."""
    rows = RequestRecord.objects.filter(tenant_id=tenant_id, id__in=request_ids).order_by()
    return {
        request_id: PastRequest(model_asked=model_asked, tags=tuple(tags))
        for request_id, model_asked, tags in rows.values_list("id", "model_asked", "tags")
    }


def usual_answer_tokens(tenant_id: int, now: datetime) -> int | None:
    """Return the mean length of the answers that upstream gave in the last week; None if there were none."""
    answers = RequestRecord.objects.filter(
        tenant_id=tenant_id, started_at__gte=now - timedelta(days=7), status=200, upstream_ms__gt=0
    )
    mean = answers.order_by().aggregate(mean=Avg("output_tokens"))["mean"]
    return None if mean is None else round(mean)
