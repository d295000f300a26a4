"""What each stored answer has saved lately, by the records of its hits (blocking, as the owner of the tables)."""

from datetime import datetime
from uuid import UUID

from django.db.models import Sum

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
