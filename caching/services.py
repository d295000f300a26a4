"""Writes to the caches' tables, one transaction each; blocking."""

from django.conf import settings

from caching.models import CacheEntry, CachePolicy
from tenants.models import Tenant


def create_default_policy(tenant: Tenant) -> CachePolicy:
    """Give a tenant its cache policy: L2 decides and records in production, and serves in development."""
    policy, _ = CachePolicy.objects.get_or_create(tenant=tenant, defaults={"semantic_mode": default_mode()})
    return policy


def default_mode() -> str:
    mode = CachePolicy.Mode.STRICT if settings.DEVELOPMENT else CachePolicy.Mode.SHADOW
    return mode.value


def forget_tenant(tenant_id: int) -> None:
    """Delete the entries of a tenant that is gone; no database constraint does it."""
    CacheEntry.objects.filter(tenant_id=tenant_id).delete()
