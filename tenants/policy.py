"""The policy snapshot: everything that the data plane needs to know of a tenant, as plain frozen values.

Each app owns a part of it. A part is a frozen dataclass of JSON-able fields, built from Postgres by the app
that registers it (in `AppConfig.ready`) and carried to the web processes through the state Redis.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

Part = TypeVar("Part")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLimits:
    """Requests admitted in a fixed window; None: no limit."""

    per_minute: int | None = None
    per_day: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPolicy:
    """What one API key may do. Revoked keys are not in a snapshot at all."""

    public_id: str
    label: str
    scopes: frozenset[str]
    models: frozenset[str]
    """Models and aliases that the key may use; empty: all."""
    limits: RequestLimits
    expires_at: float | None
    """Unix time in seconds, or None."""

    def allows_model(self, name: str) -> bool:
        return not self.models or name in self.models


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantPolicy:
    """One tenant's policy at one version."""

    tenant_id: int
    slug: str
    version: int
    limits: RequestLimits
    keys: Mapping[str, KeyPolicy]
    """By the hex digest of the key."""
    parts: Mapping[str, Any] = field(repr=False)

    def part(self, kind: type[Part]) -> Part:
        """Return the part of this type; KeyError if no app registered it."""
        return cast(Part, self.parts[kind.__name__])


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayPolicy:
    """What holds for all tenants, at one version."""

    version: int
    limits: RequestLimits
    parts: Mapping[str, Any] = field(repr=False)

    def part(self, kind: type[Part]) -> Part:
        """Return the part of this type; KeyError if no app registered it."""
        return cast(Part, self.parts[kind.__name__])


@dataclass(frozen=True)
class PartOfPolicy:
    """A registered part: its type and how it is built from Postgres (blocking, one tenant's id or none)."""

    kind: type[Any]
    build: Callable[..., Any]

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.kind)


TENANT_PARTS: dict[str, PartOfPolicy] = {}
GATEWAY_PARTS: dict[str, PartOfPolicy] = {}


def register_tenant_part(kind: type[Part], build: Callable[[int], Part]) -> None:
    """Add a part that each tenant has; `build` takes the tenant's id and reads Postgres."""
    TENANT_PARTS[kind.__name__] = PartOfPolicy(kind, build)


def register_gateway_part(kind: type[Part], build: Callable[[], Part]) -> None:
    """Add a part that is the same for all tenants; `build` reads Postgres."""
    GATEWAY_PARTS[kind.__name__] = PartOfPolicy(kind, build)


def dump_policy(policy: TenantPolicy | GatewayPolicy) -> bytes:
    """Return the JSON that web processes load again."""
    if isinstance(policy, TenantPolicy):
        return _TENANT.dump_json(replace(policy, parts=_dumped(policy.parts, TENANT_PARTS)))
    return _GATEWAY.dump_json(replace(policy, parts=_dumped(policy.parts, GATEWAY_PARTS)))


def load_tenant_policy(value: bytes) -> TenantPolicy:
    """Raise pydantic.ValidationError or KeyError when the value has another form (an older release's)."""
    policy = _TENANT.validate_json(value)
    keys = {digest: _key_sharing(key) for digest, key in policy.keys.items()}
    parts = {name: shared(part) for name, part in _loaded(policy.parts, TENANT_PARTS).items()}
    return replace(policy, keys=keys, limits=shared(policy.limits), parts=parts)


def load_gateway_policy(value: bytes) -> GatewayPolicy:
    """Raise pydantic.ValidationError or KeyError when the value has another form (an older release's)."""
    policy = _GATEWAY.validate_json(value)
    return replace(policy, parts=_loaded(policy.parts, GATEWAY_PARTS))


def shared(value: Value) -> Value:
    """Return the one value that stands for all that are equal to it: most tenants have the same rules.

    value: immutable; what isn't hashable is returned as it is.
    """
    try:
        return cast(Value, _first(cast(Any, value)))
    except TypeError:
        return value


@lru_cache(maxsize=4096, typed=True)
def _first(value: Any) -> Any:
    return value


def _key_sharing(key: KeyPolicy) -> KeyPolicy:
    return replace(key, scopes=shared(key.scopes), models=shared(key.models), limits=shared(key.limits))


def _dumped(parts: Mapping[str, Any], known: Mapping[str, PartOfPolicy]) -> dict[str, Any]:
    return {name: known[name].adapter.dump_python(part, mode="json") for name, part in parts.items()}


def _loaded(raw: Mapping[str, Any], known: Mapping[str, PartOfPolicy]) -> dict[str, Any]:
    return {name: part.adapter.validate_python(raw[name]) for name, part in known.items()}


_TENANT = TypeAdapter(TenantPolicy)
_GATEWAY = TypeAdapter(GatewayPolicy)
