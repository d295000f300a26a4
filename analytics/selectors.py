"""Whose pages a person may see, and what is known of a call (blocking, as the owner of the tables)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from analytics.models import RequestRecord
from tenants.models import Tenant, User

#: Staff with this permission see the pages and reports of all tenants.
SEE_ALL = "analytics.view_requestrecord"


def tenants_of(user: User | AnonymousUser) -> QuerySet[Tenant]:
    """Return the tenants whose pages the person may see, by slug."""
    if not isinstance(user, User) or not user.is_active:
        return Tenant.objects.none()
    if user.is_staff and user.has_perm(SEE_ALL):
        return Tenant.objects.order_by("slug")
    return Tenant.objects.filter(memberships__user=user).order_by("slug")


def tenant_of_page(user: User | AnonymousUser, slug: str) -> Tenant | None:
    """Return the tenant if there is one with this slug and the person may see its page."""
    return tenants_of(user).filter(slug=slug).first()


@dataclass(frozen=True, kw_only=True, slots=True)
class PastCall:
    """What the caches did for a call of the past."""

    cache_status: str
    entry_id: UUID | None


def past_call(tenant_id: int, request_id: UUID, *, began_at: datetime) -> PastCall | None:
    """Return what is known of a tenant's own request; None if it isn't recorded, or not yet.

    began_at: about when it arrived, which says where to look.
    """
    around = timedelta(minutes=5)
    found = RequestRecord.objects.filter(
        tenant_id=tenant_id,
        id=request_id,
        purpose="request",
        started_at__range=(began_at - around, began_at + around),
    ).values_list("cache_status", "entry_id")
    row = found.first()
    return PastCall(cache_status=row[0], entry_id=row[1]) if row else None
