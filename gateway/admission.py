"""The first stage: whose request is this, and may it come in now?

Reads the policy in memory; counts the request with permits in hand, or asks the state Redis once. Fails closed
for keys (503 when a key can be neither found nor refused), and falls back to a bounded local share for request
limits.
"""

import re
import time
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from gateway import errors
from gateway.errors import Refusal
from gateway.request_id import new_request_id
from routing.catalog import Catalog
from routing.selection import usable_names
from tenants.key_format import digest_of, digest_of_known
from tenants.limits import LimitVerdict, RequestLimiter, Window, windows_of
from tenants.policy import GatewayPolicy, KeyPolicy, TenantPolicy, shared
from tenants.snapshots import PolicyStore, PolicyUnavailable

#: Callers of past policies are forgotten when there are more than this.
_MOST_CALLERS = 20_000

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Arrival(NamedTuple):
    """When a request came and what it is called.

    Like Admission a tuple, since every request makes them: a frozen dataclass takes three times as long to make.
    """

    request_id: UUID
    started_at: float
    """Unix seconds."""
    started: float
    """time.perf_counter() seconds, for spans."""
    client_request_id: str = ""
    """The caller's own name for it; shown in records, never a key."""

    @classmethod
    def now(cls, presented_id: str = "") -> "Arrival":
        """presented_id: the caller's `x-request-id`; left out if it isn't short and plain."""
        client_request_id = presented_id if presented_id and _PLAIN_ID.fullmatch(presented_id) else ""
        return cls(new_request_id(), time.time(), time.perf_counter(), client_request_id)

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Caller:
    """A valid key at one version of the policies, and what follows from these alone.

    Compared by identity: two callers are the same if nothing about them can have changed.
    """

    tenant: TenantPolicy
    key: KeyPolicy
    gateway: GatewayPolicy
    windows: tuple[Window, ...]
    """Every limit that its requests are held to."""
    usable_models: frozenset[str]
    """Bare names of the models whose answers it may get."""

    @classmethod
    def of(cls, tenant: TenantPolicy, key: KeyPolicy, gateway: GatewayPolicy) -> "Caller":
        return cls(
            tenant=tenant,
            key=key,
            gateway=gateway,
            windows=windows_of(tenant, key, gateway.limits),
            usable_models=shared(usable_names(gateway.part(Catalog), key.allows_model)),
        )


@dataclass(slots=True)
class Callers:
    """The callers that this process has met, each made once per version of its policies."""

    policies: PolicyStore
    _known: dict[str, Caller] = field(default_factory=dict)

    def at_hand(self, digest: str) -> Caller | None:
        """Return whose key has this digest if it was met under the policies that hold now."""
        known = self._known.get(digest)
        return known if known is not None and self.policies.holds(known.tenant, known.gateway) else None

    async def find(self, digest: str) -> Caller | None:
        """Return whose key has this digest, or None. Raises PolicyUnavailable."""
        found = await self.policies.find_key(digest)
        gateway = self.policies.gateway
        if found is None:
            return None
        if len(self._known) >= _MOST_CALLERS:
            self._known.clear()
        tenant, key = found
        caller = self._known[digest] = Caller.of(tenant, key, gateway)
        return caller


class Admission(NamedTuple):
    """A request with a valid key, and the one version of the policy that it is held to until its end."""

    arrival: Arrival
    caller: Caller
    limits: LimitVerdict | None = None
    """None until the request is counted, and on routes that don't count against request limits."""

    @property
    def tenant(self) -> TenantPolicy:
        return self.caller.tenant

    @property
    def key(self) -> KeyPolicy:
        return self.caller.key

    @property
    def gateway(self) -> GatewayPolicy:
        return self.caller.gateway

    @property
    def tenant_id(self) -> int:
        return self.caller.tenant.tenant_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A request that ends at admission; `admission` is None when its key isn't valid."""

    refusal: Refusal
    arrival: Arrival
    admission: Admission | None = None


async def admit(
    arrival: Arrival, authorization: str, callers: Callers, limiter: RequestLimiter
) -> Admission | Refused:
    """Find the key of an `Authorization: Bearer` header and count the request against its limits."""
    known = await identify(arrival, authorization, callers)
    if isinstance(known, Refused):
        return known
    return counted(known, await limiter.admit(known.caller.windows))


def recognise(arrival: Arrival, authorization: str, callers: Callers) -> Admission | None:
    """Return whose key it is if that is known here already; else `identify` must look."""
    caller = callers.at_hand(digest_of_known(_bearer(authorization)))
    if caller is None or _expired(caller.key, arrival.started_at):
        return None
    return Admission(arrival=arrival, caller=caller)


async def identify(arrival: Arrival, authorization: str, callers: Callers) -> Admission | Refused:
    """Find the key of an `Authorization: Bearer` header without counting the request."""
    if known := recognise(arrival, authorization, callers):
        return known
    digest = digest_of(_bearer(authorization))
    try:
        caller = await callers.find(digest) if digest else None
    except PolicyUnavailable:
        return Refused(refusal=errors.POLICY_UNAVAILABLE, arrival=arrival)
    if caller is None or _expired(caller.key, arrival.started_at):
        return Refused(refusal=errors.INVALID_KEY, arrival=arrival)
    return Admission(arrival=arrival, caller=caller)


def counted(admission: Admission, verdict: LimitVerdict) -> Admission | Refused:
    """Return the admission with its verdict, or the refusal if a limit is reached."""
    admission = Admission(arrival=admission.arrival, caller=admission.caller, limits=verdict)
    full = verdict.refused_by
    if full is None:
        return admission
    refusal = errors.rate_limited(full.window.name, full.window.limit, full.window.seconds, full.reset_s)
    return Refused(refusal=refusal, arrival=admission.arrival, admission=admission)


def _bearer(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _expired(key: KeyPolicy, now: float) -> bool:
    return key.expires_at is not None and key.expires_at <= now
