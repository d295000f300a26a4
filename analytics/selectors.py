"""Whose pages a person may see (blocking, as the owner of the tables)."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

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
