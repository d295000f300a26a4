"""Reads of tenants, keys and memberships (blocking, as the owner of the tables)."""

from collections.abc import Iterable

from tenants import policy
from tenants.models import ApiKey, GatewayLimit, Tenant
from tenants.policy import GatewayPolicy, KeyPolicy, RequestLimits, TenantPolicy


def tenant_of_digest(digest: str) -> int | None:
    """Return the id of the tenant that owns the key, revoked or not, or None."""
    return ApiKey.objects.filter(digest=digest).values_list("tenant_id", flat=True).first()


def tenant_policy(tenant_id: int) -> TenantPolicy | None:
    """Build a tenant's policy from the tables; None when there is no such tenant.

    The version is read before the rest, so that the content is never older than the version says.
    """
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        return None
    keys = ApiKey.objects.filter(tenant=tenant, revoked_at=None) if tenant.is_active else []
    return TenantPolicy(
        tenant_id=tenant.pk,
        slug=tenant.slug,
        version=tenant.policy_version,
        limits=_limits(tenant),
        keys={key.digest: _key_policy(key) for key in keys},
        parts={name: part.build(tenant.pk) for name, part in policy.TENANT_PARTS.items()},
    )


def gateway_policy() -> GatewayPolicy:
    """Build from the tables what holds for all tenants."""
    row = GatewayLimit.objects.filter(pk=1).first() or GatewayLimit(pk=1)
    return GatewayPolicy(
        version=row.policy_version,
        limits=RequestLimits(per_minute=row.requests_per_minute),
        parts={name: part.build() for name, part in policy.GATEWAY_PARTS.items()},
    )


def versions_of(tenant_ids: Iterable[int]) -> dict[int, int]:
    """Return the policy version of each of these tenants that exists."""
    rows = Tenant.objects.filter(pk__in=list(tenant_ids))
    return dict(rows.values_list("pk", "policy_version"))


def gateway_version() -> int:
    return GatewayLimit.objects.filter(pk=1).values_list("policy_version", flat=True).first() or 0


def _limits(row: Tenant | ApiKey) -> RequestLimits:
    return RequestLimits(per_minute=row.requests_per_minute, per_day=row.requests_per_day)


def _key_policy(key: ApiKey) -> KeyPolicy:
    return KeyPolicy(
        public_id=key.public_id,
        label=key.label,
        scopes=frozenset(key.scopes),
        models=frozenset(key.allowed_models),
        limits=_limits(key),
        expires_at=key.expires_at.timestamp() if key.expires_at else None,
    )
