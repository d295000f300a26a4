"""The first stage: whose request is this, and may it come in now?

Reads the policy in memory and asks the state Redis once. Fails closed for keys (503 when a key can be neither
found nor refused), and falls back to a bounded local share for request limits.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from gateway import errors
from gateway.errors import Refusal
from gateway.request_id import new_request_id
from tenants.key_format import digest_of
from tenants.limits import LimitVerdict, RequestLimiter, windows_of
from tenants.policy import GatewayPolicy, KeyPolicy, TenantPolicy
from tenants.snapshots import PolicyStore, PolicyUnavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """When a request came and what it is called."""

    request_id: UUID
    started_at: float
    """Unix seconds."""
    started: float
    """time.perf_counter() seconds, for spans."""

    @classmethod
    def now(cls) -> "Arrival":
        return cls(request_id=new_request_id(), started_at=time.time(), started=time.perf_counter())

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """A request with a valid key, and the one version of the policy that it is held to until its end."""

    arrival: Arrival
    tenant: TenantPolicy
    key: KeyPolicy
    gateway: GatewayPolicy
    limits: LimitVerdict | None
    """None on routes that don't count against request limits."""

    @property
    def tenant_id(self) -> int:
        return self.tenant.tenant_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A request that ends at admission; `admission` is None when its key isn't valid."""

    refusal: Refusal
    arrival: Arrival
    admission: Admission | None = None


async def admit(
    authorization: str | None, policies: PolicyStore, limiter: RequestLimiter
) -> Admission | Refused:
    """Find the key of an `Authorization: Bearer` header and count the request against its limits."""
    known = await identify(authorization, policies)
    if isinstance(known, Refused):
        return known
    verdict = await limiter.admit(windows_of(known.tenant, known.key, known.gateway.limits))
    admission = Admission(
        arrival=known.arrival, tenant=known.tenant, key=known.key, gateway=known.gateway, limits=verdict
    )
    if full := verdict.refused_by:
        refusal = errors.rate_limited(full.window.name, full.window.limit, full.window.seconds, full.reset_s)
        return Refused(refusal=refusal, arrival=known.arrival, admission=admission)
    return admission


async def identify(authorization: str | None, policies: PolicyStore) -> Admission | Refused:
    """Find the key of an `Authorization: Bearer` header without counting the request."""
    arrival = Arrival.now()
    digest = digest_of(_bearer(authorization))
    try:
        found = await policies.find_key(digest) if digest else None
        gateway = policies.gateway
    except PolicyUnavailable:
        return Refused(refusal=errors.POLICY_UNAVAILABLE, arrival=arrival)
    if found is None or _expired(found[1], arrival.started_at):
        return Refused(refusal=errors.INVALID_KEY, arrival=arrival)
    return Admission(arrival=arrival, tenant=found[0], key=found[1], gateway=gateway, limits=None)


def _bearer(authorization: str | None) -> str:
    scheme, _, credentials = (authorization or "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _expired(key: KeyPolicy, now: float) -> bool:
    return key.expires_at is not None and key.expires_at <= now
