"""Calls without a caller: past or labelled questions, asked under a policy as admitted calls are."""

from collections.abc import Iterable
from dataclasses import dataclass

from caching.models import CachePolicy
from caching.policy import CacheRules, CacheSwitches, SemanticMode
from caching.selectors import build_cache_rules
from gateway.admission import Admission, Arrival, Caller
from gateway.call import ChatCall
from gateway.reading import call_of
from gateway.schemas import ChatRequest
from routing.catalog import Catalog, Target, TenantRules
from routing.selectors import build_catalog, build_tenant_rules
from tenants.models import Tenant
from tenants.policy import GatewayPolicy, KeyPolicy, RequestLimits, TenantPolicy

DEFAULT_KEY = "evaluation"
_NO_LIMITS = RequestLimits()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """Under which policy, and among which models and rules, questions are asked."""

    rules: CacheRules
    catalog: Catalog
    tenant_rules: TenantRules
    tenant_id: int

    def call(self, request: ChatRequest, key: str = DEFAULT_KEY) -> ChatCall:
        """Return the call that an admitted request makes. key: the public id of its key."""
        policy = KeyPolicy(
            public_id=key,
            label="",
            scopes=frozenset(),
            models=frozenset(),
            limits=_NO_LIMITS,
            expires_at=None,
        )
        tenant = TenantPolicy(
            tenant_id=self.tenant_id,
            slug="",
            version=0,
            limits=_NO_LIMITS,
            keys={},
            parts={"CacheRules": self.rules, "TenantRules": self.tenant_rules},
        )
        switches = CacheSwitches(semantic_enabled=True)
        gateway = GatewayPolicy(
            version=0, limits=_NO_LIMITS, parts={"Catalog": self.catalog, "CacheSwitches": switches}
        )
        admission = Admission(arrival=Arrival.now(), caller=Caller.of(tenant, policy, gateway))
        return call_of(request, admission, "/chat")


def default_rules(mode: SemanticMode) -> CacheRules:
    """Return the rules of a tenant that has changed nothing but the mode."""
    policy = CachePolicy(semantic_mode=mode)
    return CacheRules(**{name: getattr(policy, name) for name in CacheRules.__dataclass_fields__})


def default_scene(rules: CacheRules, models: Iterable[str] = ()) -> Scene:
    """Return a scene with a cheap and a strong model for `auto`, and one of each given name. None has a price."""
    named = [_target(number, name, "cheap") for number, name in enumerate(sorted({*models} - {"auto"}), 3)]
    standing = [_target(1, "cheap", "cheap"), _target(2, "strong", "strong")]
    return Scene(
        rules=rules,
        catalog=Catalog(targets=(*standing, *named), providers=(), rules=()),
        tenant_rules=TenantRules(rules=()),
        tenant_id=0,
    )


def scene_of(tenant: Tenant) -> Scene:
    """Return the scene of a tenant as it is now. Blocking."""
    return Scene(
        rules=build_cache_rules(tenant.pk),
        catalog=build_catalog(),
        tenant_rules=build_tenant_rules(tenant.pk),
        tenant_id=tenant.pk,
    )


def _target(number: int, name: str, tier: str) -> Target:
    return Target(
        id=number,
        provider="any",
        name=name,
        upstream_name=name,
        tier="strong" if tier == "strong" else "cheap",
        context_tokens=1_000_000,
        aliases=(),
        prices=(),
    )
