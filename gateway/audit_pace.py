"""How many of a tenant's semantic hits are audited: as its figures need, as far as its budget goes."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analytics.stats import Query, totals_of_tenant
from caching.evidence import WINDOW
from caching.judged import Basis, JudgedPairs, JudgedUnavailable
from caching.memory import BoundedMemory
from caching.policy import CacheRules
from caching.truth import FIRST_AUDITS, audit_rate
from tenants.database import DATABASE_ERRORS, TenantDatabase, within

_NANO = 10**9
#: For so long what was read is believed; audits of this process meanwhile are added to it.
_KNOWN_SECONDS = 60.0
_MOST_KNOWN = 10_000
#: A database that failed isn't asked for each audit.
_REST_SECONDS = 5.0
_HITS_SECONDS = 6.0

CountHits = Callable[[int], Awaitable[int]]
"""Returns a tenant's semantic hits of the last 30 days. Raises JudgedUnavailable."""


@dataclass(slots=True)
class _Known:
    rate: float
    spent_nano: int


class AuditPace:
    """What one process knows of the tenants' figures and budgets."""

    def __init__(self, pairs: JudgedPairs, count_hits: CountHits) -> None:
        self._pairs = pairs
        self._count_hits = count_hits
        self._known: BoundedMemory[tuple[int, Basis, float], _Known] = BoundedMemory(_MOST_KNOWN)
        self._rest_until = 0.0

    async def rate(self, tenant_id: int, basis: Basis, rules: CacheRules) -> float:
        """Return the share of the tenant's hits on this basis to audit; 0 when this month's budget is spent.

        Raises JudgedUnavailable: what a tenant has spent must be known.
        """
        known = await self._look(tenant_id, basis, rules)
        return known.rate if known.spent_nano < rules.audit_budget_usd * _NANO else 0.0

    def spent(self, tenant_id: int, basis: Basis, rules: CacheRules, cost_nano: int) -> None:
        """Take note of an audit's cost."""
        if known := self._known.get((tenant_id, basis, rules.target_wrong_share)):
            known.spent_nano += cost_nano

    async def _look(self, tenant_id: int, basis: Basis, rules: CacheRules) -> _Known:
        key = (tenant_id, basis, rules.target_wrong_share)
        if known := self._known.get(key):
            return known
        if time.monotonic() < self._rest_until:
            raise JudgedUnavailable("resting")
        try:
            known = await self._read(tenant_id, basis, rules)
        except JudgedUnavailable:
            self._rest_until = time.monotonic() + _REST_SECONDS
            raise
        self._known.put(key, known, size=1, ttl_s=_KNOWN_SECONDS)
        return known

    async def _read(self, tenant_id: int, basis: Basis, rules: CacheRules) -> _Known:
        standing = await self._pairs.standing(tenant_id, basis)
        hits = await self._count_hits(tenant_id) if standing.judged >= FIRST_AUDITS else 0
        rate = audit_rate(
            judged=standing.judged, wrong=standing.wrong, hits=hits, target=rules.target_wrong_share
        )
        return _Known(rate=rate, spent_nano=standing.spent_nano)


def hits_by_records(database: TenantDatabase) -> CountHits:
    """Return what counts semantic hits by the tenant's records."""

    async def count(tenant_id: int) -> int:
        # Whole hours come from the rollups.
        until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        query = Query(since=until - WINDOW, until=until)
        try:
            sums = await within(_HITS_SECONDS, totals_of_tenant(database, tenant_id, query))
        except (TimeoutError, *DATABASE_ERRORS) as error:
            raise JudgedUnavailable("database") from error
        return sums.by_status["hit_semantic"]

    return count
