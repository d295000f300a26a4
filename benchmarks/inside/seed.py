"""Makes tenants with a key each, many at a time; web processes learn of them when a key first comes."""

from caching.models import CachePolicy
from tenants.key_format import make_key
from tenants.models import ApiKey, Scope, Tenant

#: Far over what one process answers: a limit is counted for each request and none is refused.
REQUESTS_PER_MINUTE = 100_000_000


def seed(prefix: str, first: int, count: int, semantic_mode: str) -> list[str]:
    """Make `count` tenants `<prefix>-<number>`, numbered from `first`, and return their keys in order."""
    tenants = Tenant.objects.bulk_create(
        Tenant(
            slug=f"{prefix}-{number}",
            name=f"{prefix} {number}",
            requests_per_minute=REQUESTS_PER_MINUTE,
        )
        for number in range(first, first + count)
    )
    CachePolicy.objects.bulk_create(
        CachePolicy(tenant=tenant, semantic_mode=semantic_mode) for tenant in tenants
    )
    made = [make_key() for _ in tenants]
    ApiKey.objects.bulk_create(
        ApiKey(
            tenant=tenant,
            public_id=key.public_id,
            digest=key.digest,
            label="bench",
            scopes=Scope.values,
        )
        for tenant, key in zip(tenants, made, strict=True)
    )
    return [key.plaintext for key in made]
