"""Tells the cache what its entries save, so that eviction keeps those that are worth their room."""

import logging

from django.utils import timezone

from analytics.savings import savings_by_entry
from caching import eviction
from tenants.models import Tenant

log = logging.getLogger(__name__)


def note_savings() -> int:
    """Bring up to date what each entry's hits saved in the last day; return how many rows that has changed."""
    since = timezone.now() - eviction.RECENT
    tenants = Tenant.objects.order_by("pk").values_list("pk", flat=True)
    changed = sum(eviction.note_savings(pk, savings_by_entry(pk, since)) for pk in tenants)
    if changed:
        log.info("savings of entries noted", extra={"entries": changed})
    return changed
