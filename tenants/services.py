"""Writes of tenants and keys: each one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from tenants.key_format import make_key
from tenants.models import ApiKey, Tenant, default_scopes


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key's row and its plaintext, which is shown now and never again."""

    row: ApiKey
    plaintext: str = field(repr=False)


@transaction.atomic
def tenant_create(
    slug: str,
    *,
    name: str = "",
    requests_per_minute: int | None = None,
    requests_per_day: int | None = None,
) -> Tenant:
    """Create a tenant. Raises django ValidationError when a field is wrong or the slug is taken."""
    tenant = Tenant(
        slug=slug,
        name=name or slug,
        requests_per_minute=requests_per_minute,
        requests_per_day=requests_per_day,
    )
    tenant.full_clean()
    tenant.save()
    return tenant


@transaction.atomic
def key_issue(
    tenant: Tenant,
    *,
    label: str,
    scopes: Sequence[str] | None = None,
    models: Sequence[str] = (),
    requests_per_minute: int | None = None,
    requests_per_day: int | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Issue a key. Raises django ValidationError when a field is wrong."""
    made = make_key()
    row = ApiKey(
        tenant=tenant,
        public_id=made.public_id,
        digest=made.digest,
        label=label,
        scopes=list(scopes) if scopes is not None else default_scopes(),
        allowed_models=list(models),
        requests_per_minute=requests_per_minute,
        requests_per_day=requests_per_day,
        expires_at=expires_at,
    )
    row.full_clean()
    row.save()
    return IssuedKey(row, made.plaintext)


@transaction.atomic
def key_revoke(public_id: str) -> ApiKey:
    """Revoke a key for good; revoking again changes nothing. Raises ApiKey.DoesNotExist."""
    key = ApiKey.objects.select_for_update().get(public_id=public_id)
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
    return key
