"""Reads: routing's parts of the policy snapshot, and what the admin shows."""

import base64
from datetime import datetime
from decimal import Decimal
from typing import Literal, cast

from django.db.models import QuerySet
from redis.exceptions import RedisError

from routing.catalog import Catalog, EncryptedKey, Price, ProviderAccess, Rule, Target, TenantRules
from routing.health import Rest
from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule
from routing.shared_health import RESTS, read_rests, state_redis

_PICO_PER_MICRO = 1_000_000
_KINDS: dict[Provider.Kind, Literal["openai", "anthropic", "gemini"]] = {
    Provider.Kind.OPENAI: "openai",
    Provider.Kind.ANTHROPIC: "anthropic",
    Provider.Kind.GEMINI: "gemini",
}


def build_catalog() -> Catalog:
    """Return the gateway-wide part: every active target and provider, and the rules of all tenants."""
    models = Model.objects.filter(is_active=True, provider__is_active=True)
    providers = Provider.objects.filter(is_active=True)
    return Catalog(
        targets=tuple(
            _target(model)
            for model in models.select_related("provider")
            .prefetch_related("prices")
            .order_by("provider__slug", "name")
        ),
        providers=tuple(_access(provider) for provider in providers.prefetch_related("keys")),
        rules=_rules(RoutingRule.objects.filter(tenant=None)),
    )


def build_tenant_rules(tenant_id: int) -> TenantRules:
    """Return a tenant's part: its own active rules."""
    return TenantRules(rules=_rules(RoutingRule.objects.filter(tenant_id=tenant_id)))


def current_price(prices: list[ModelPrice], when: datetime) -> ModelPrice | None:
    """Return the price that holds at the moment, or None before the first one begins."""
    begun = [price for price in prices if price.effective_from <= when]
    return max(begun, key=lambda price: price.effective_from, default=None)


def _rules(rows: QuerySet[RoutingRule]) -> tuple[Rule, ...]:
    return tuple(_rule(row) for row in rows.filter(is_active=True).order_by("priority", "name"))


def _rule(row: RoutingRule) -> Rule:
    return Rule(
        name=row.name,
        priority=row.priority,
        model_asked=row.model_asked,
        min_score=row.min_score,
        max_score=row.max_score,
        tags=tuple(row.tags),
        action="deny" if row.action == RoutingRule.Action.DENY else "route",
        target_id=row.target_id,
    )


def _target(model: Model) -> Target:
    newest_first = sorted(model.prices.all(), key=lambda price: price.effective_from, reverse=True)
    return Target(
        id=model.pk,
        provider=model.provider.slug,
        name=model.name,
        upstream_name=model.upstream_name,
        tier="strong" if model.tier == Model.Tier.STRONG else "cheap",
        context_tokens=model.context_tokens,
        aliases=tuple(model.aliases),
        prices=tuple(_price(price) for price in newest_first),
        connect_s=model.connect_seconds,
        first_token_s=model.first_token_seconds,
        between_chunks_s=model.between_chunks_seconds,
        total_s=model.total_seconds,
    )


def _price(price: ModelPrice) -> Price:
    """A price of the provider's cache that was left at zero is that of plain input: cost is never understated."""
    return Price(
        effective_from=price.effective_from.timestamp(),
        input_pico=_pico_per_token(price.input_usd),
        output_pico=_pico_per_token(price.output_usd),
        cache_read_pico=_pico_per_token(price.cache_read_usd or price.input_usd),
        cache_write_pico=_pico_per_token(price.cache_write_usd or price.input_usd),
    )


def _pico_per_token(usd_per_million: Decimal) -> int:
    """Exact: prices have six decimals."""
    return int(usd_per_million * _PICO_PER_MICRO)


def _access(provider: Provider) -> ProviderAccess:
    return ProviderAccess(
        id=provider.pk,
        slug=provider.slug,
        kind=_KINDS[Provider.Kind(provider.kind)],
        base_url=provider.base_url,
        encrypted_keys=tuple(sealed(key) for key in provider.keys.all() if key.is_active),
    )


def sealed(key: ProviderKey) -> EncryptedKey:
    """Return the key as the data plane has it."""
    ciphertext = base64.b64encode(bytes(key.ciphertext)).decode()
    return EncryptedKey(uid=str(key.uid), ciphertext=ciphertext, weight=key.weight)


def rests_now() -> dict[str, Rest] | None:
    """Return what all processes leave alone now, by name; None when the state Redis can't be asked."""
    try:
        with state_redis() as client:
            return read_rests(cast(dict[bytes, bytes], client.hgetall(RESTS)))
    except RedisError:
        return None
