"""Reads of the caches' tables; blocking."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count
from django.utils import timezone

from caching import eviction
from caching.cache_redis import REDIS_ERRORS, answer_keys, blocking_client
from caching.models import CacheEntry, CachePolicy, CacheSwitch
from caching.policy import CacheRules, CacheSwitches
from caching.services import default_mode

#: Counting stops here: a server with millions of keys is not walked for a number.
_MAX_COUNTED_KEYS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheStats:
    """What the caches hold, of one tenant or of all."""

    entries: int
    expired: int
    bytes: int
    """Of the entries' rows as Postgres stores them, without indexes."""
    by_model: dict[str, int]
    exact_keys: int | None
    """Values in L1 (at most a million are counted); None: the cache Redis can't be asked."""


def build_cache_rules(tenant_id: int) -> CacheRules:
    """Return the tenant's rules; a tenant without a policy has the defaults."""
    policy = CachePolicy.objects.filter(tenant_id=tenant_id).first() or CachePolicy(
        tenant_id=tenant_id, semantic_mode=default_mode()
    )
    names = CacheRules.__dataclass_fields__
    return CacheRules(**{name: getattr(policy, name) for name in names})


def build_switches() -> CacheSwitches:
    """Return what stops caches for all tenants; without a row nothing is stopped."""
    switch = CacheSwitch.objects.first()
    return CacheSwitches(semantic_enabled=switch is None or switch.semantic_enabled)


def cache_stats(tenant_id: int | None) -> CacheStats:
    """Return what is kept. tenant_id: None counts all tenants."""
    entries = (
        CacheEntry.objects.all() if tenant_id is None else CacheEntry.objects.filter(tenant_id=tenant_id)
    )
    by_model = {
        f"{group['provider']}/{group['model']}": group["kept"]
        for group in entries.order_by("provider", "model")
        .values("provider", "model")
        .annotate(kept=Count("id"))
    }
    return CacheStats(
        entries=sum(by_model.values()),
        expired=entries.filter(expires_at__lte=timezone.now()).count(),
        bytes=_stored_bytes(tenant_id),
        by_model=by_model,
        exact_keys=_exact_keys(tenant_id),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class WornEntry:
    """An entry that is asked for and whose time is running out."""

    question: str
    fingerprint: bytes
    request_id: UUID
    """Of the call that it was made for."""
    tags: tuple[str, ...]


def worn_entries(tenant_id: int, key_public_id: str, *, before: datetime) -> list[WornEntry]:
    """Return a key's entries that saved something lately and turn stale before that moment, the best first."""
    entries = CacheEntry.objects.filter(
        tenant_id=tenant_id, key_public_id=key_public_id, saved_nano__gt=0, alias_of=None, pinned=False
    ).order_by("-saved_nano", "id")
    return [
        WornEntry(
            question=entry.question,
            fingerprint=bytes(entry.fingerprint),
            request_id=entry.request_id,
            tags=tuple(entry.tags),
        )
        for entry in entries
        if (entry.answer.get("fresh_until") or entry.expires_at.timestamp()) < before.timestamp()
    ]


def _stored_bytes(tenant_id: int | None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(sum({eviction.BYTES}), 0) FROM caching_cacheentry "  # noqa: S608 (constants)
            "WHERE %s::bigint IS NULL OR tenant_id = %s",
            [tenant_id, tenant_id],
        )
        return int(cursor.fetchone()[0])


def _exact_keys(tenant_id: int | None) -> int | None:
    pattern = "hp:{*}:answer:*" if tenant_id is None else answer_keys(tenant_id)
    try:
        with blocking_client() as client:
            count = 0
            for _ in client.scan_iter(match=pattern, count=1000):
                count += 1
                if count >= _MAX_COUNTED_KEYS:
                    break
            return count
    except REDIS_ERRORS:
        return None
