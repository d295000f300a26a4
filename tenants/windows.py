"""The windows that requests are counted in, and what is found when one is counted. Pure values."""

from typing import Literal, NamedTuple

from tenants.policy import KeyPolicy, RequestLimits, TenantPolicy

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400
#: What a tenant without a limit is held to, so that every answer can say where its caller stands.
TENANT_CEILING_PER_MINUTE = 1_000_000


class Window(NamedTuple):
    """One limit: at most `limit` requests in each `seconds` of what `name` and `owner` stand for.

    A tuple, like the two below, because these are hashed or made for every request.
    """

    name: Literal["key", "tenant", "gateway"]
    owner: str
    seconds: int
    limit: int

    @property
    def counter(self) -> str:
        return f"hp:limit:{self.name}:{self.owner}:{self.seconds}"


class WindowState(NamedTuple):
    """Where a window stands after this request."""

    window: Window
    remaining: int
    """What Redis had left when it was last asked, and what this process has in hand."""
    reset_s: int
    """Seconds until the window ends."""


class LimitVerdict(NamedTuple):
    """Whether a request is admitted, and the state of every window that it was held to."""

    refused_by: WindowState | None
    states: tuple[WindowState, ...]
    counted: Literal["shared", "leased", "local"]
    """By Redis for this request, earlier by Redis (all from memory), or by this process alone."""

    @property
    def admitted(self) -> bool:
        return self.refused_by is None


def windows_of(tenant: TenantPolicy, key: KeyPolicy, gateway: RequestLimits) -> tuple[Window, ...]:
    """Return every limit that a request with this key is held to, the narrowest owner first."""
    found = [
        *_windows("key", key.public_id, key.limits),
        *_windows("tenant", str(tenant.tenant_id), tenant.limits),
        *_windows("gateway", "all", gateway),
    ]
    if tenant.limits.per_minute is None:
        found.append(
            Window(
                name="tenant",
                owner=str(tenant.tenant_id),
                seconds=MINUTE_SECONDS,
                limit=TENANT_CEILING_PER_MINUTE,
            )
        )
    return tuple(found)


def _windows(name: Literal["key", "tenant", "gateway"], owner: str, limits: RequestLimits) -> list[Window]:
    pairs = ((MINUTE_SECONDS, limits.per_minute), (DAY_SECONDS, limits.per_day))
    return [Window(name=name, owner=owner, seconds=s, limit=n) for s, n in pairs if n is not None]
