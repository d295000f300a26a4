"""Writes to the caches' tables, one transaction each; blocking."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from caching import answers
from caching.answers import BrokenAnswer, StoredAnswer
from caching.cache_redis import REDIS_ERRORS, answer_keys, blocking_client
from caching.exact import CacheUnavailable
from caching.models import CacheEntry, CachePolicy
from tenants.models import Tenant
from tenants.snapshots import announce

_SCAN = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which answers of a tenant a purge takes: all, or those to which every given condition applies."""

    everything: bool = False
    tag: str | None = None
    model: str | None = None
    """As stored: `provider/name` or the bare name."""
    older_than_s: float | None = None
    entries: frozenset[UUID] | None = None

    def __post_init__(self) -> None:
        if not self.everything and self._conditions == 0:
            raise ValueError("a purge needs a condition, or everything")
        if self.everything and self._conditions:
            raise ValueError("everything leaves no room for conditions")

    @property
    def _conditions(self) -> int:
        given = (self.tag, self.model, self.older_than_s, self.entries)
        return sum(condition is not None for condition in given)


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """How many answers a purge took (or would take): entries of L2, values of L1."""

    entries: int
    exact: int


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


def purge(tenant_id: int, selection: Selection, *, dry_run: bool) -> Purged:
    """Delete the selected answers of a tenant from L2, L1 and the memory of every process, or only count them.

    Memory is dropped within a second, as soon as each process has the tenant's policy of the new version.
    Raises CacheUnavailable when L1 can't be asked; then L2 is done already and the call may be repeated.
    """
    now = timezone.now()
    entries = _purge_entries(tenant_id, selection, now, dry_run=dry_run)
    try:
        exact = _purge_exact(tenant_id, selection, now.timestamp(), dry_run=dry_run)
    except REDIS_ERRORS as error:
        raise CacheUnavailable("connection") from error
    finally:
        if not dry_run:
            # Last: what is read from L1 under the new version must not be what is being deleted.
            announce(tenant_id)
    return Purged(entries=entries, exact=exact)


def _purge_entries(tenant_id: int, selection: Selection, now: datetime, *, dry_run: bool) -> int:
    chosen = _entries(tenant_id, selection, now)
    if dry_run:
        return chosen.count()
    with transaction.atomic():
        if selection.everything:
            _raise_epoch(tenant_id)
        return chosen.delete()[0]


def _raise_epoch(tenant_id: int) -> None:
    """Change every fingerprint of the tenant: what is stored can't be found any more, at once."""
    policy = CachePolicy.objects.select_for_update().filter(tenant_id=tenant_id).first()
    if policy is not None:
        policy.epoch += 1
        policy.save(update_fields=["epoch"])


def _entries(tenant_id: int, selection: Selection, now: datetime) -> QuerySet[CacheEntry]:
    wanted = Q(tenant_id=tenant_id)
    if selection.tag is not None:
        wanted &= Q(tags__contains=[selection.tag])
    if selection.model is not None:
        wanted &= Q(model=selection.model) | _full_name(selection.model)
    if selection.older_than_s is not None:
        wanted &= Q(created_at__lt=now - timedelta(seconds=selection.older_than_s))
    if selection.entries is not None:
        wanted &= Q(id__in=selection.entries)
    return CacheEntry.objects.filter(wanted)


def _full_name(name: str) -> Q:
    provider, _, model = name.partition("/")
    return Q(provider=provider, model=model)


def _purge_exact(tenant_id: int, selection: Selection, now: float, *, dry_run: bool) -> int:
    """Go through all of the tenant's values: copies of an entry have fingerprints that no entry knows."""
    with blocking_client() as client:
        purged = 0
        found = client.scan_iter(match=answer_keys(tenant_id), count=_SCAN)
        while keys := tuple(islice(found, _SCAN)):
            chosen = list(_chosen(client, keys, selection, now))
            purged += len(chosen)
            if chosen and not dry_run:
                client.unlink(*chosen)
        return purged


def _chosen(client: "redis.Redis", keys: tuple[Any, ...], selection: Selection, now: float) -> Iterator[Any]:
    if selection.everything:
        yield from keys
        return
    for key, value in zip(keys, client.mget(keys), strict=True):
        try:
            if isinstance(value, bytes) and _applies(selection, answers.load(value), now):
                yield key
        except BrokenAnswer:
            yield key


def _applies(selection: Selection, answer: StoredAnswer, now: float) -> bool:
    return (
        (selection.tag is None or selection.tag in answer.tags)
        and (
            selection.model is None or selection.model in (answer.model, f"{answer.provider}/{answer.model}")
        )
        and (selection.older_than_s is None or answer.created_at < now - selection.older_than_s)
        and (selection.entries is None or answer.entry in selection.entries)
    )
