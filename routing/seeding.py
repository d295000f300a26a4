"""First providers: the demo upstream, and those whose keys are in the environment.

Everything here may be run again: rows that exist are left as staff made them, only a provider's key follows the
environment. Prices are US dollars per million tokens at the standard rate, as read on 2026-11-22 from the dated
price list genai-prices 0.2.3 (November 2026), which cites these pages; they change often, so check them there
before you bill anybody by them:

- OpenAI: https://developers.openai.com/api/docs/pricing (prompts over 272,000 tokens cost more)
- Gemini: https://ai.google.dev/gemini-api/docs/pricing (3.8 Flash: introductory until 2026-12-31, then double)
- DeepSeek: https://api-docs.deepseek.com/quick_start/pricing (the rate of peak hours, twice the other)
- Anthropic: https://platform.claude.com/docs/en/about-claude/pricing (Haiku 5.5: over 100,000 tokens cost more)
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from routing.base_urls import RefusedAddress, check_base_url, parse_networks
from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule
from routing.secrets import CannotOpen, open_sealed
from routing.selection import DEFAULT_COMPLEX, DEFAULT_SIMPLE
from routing.services import provider_key_set

DEMO = "demo"
TARGET = "target"
_KEY_LABEL = "from the environment"
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_NEW_YEAR_2027 = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """USD per million tokens, from a moment on."""

    input: str
    output: str
    cache_read: str
    cache_write: str
    begins: datetime = _LONG_AGO


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A model to add."""

    name: str
    tier: Model.Tier
    context_tokens: int
    rates: tuple[Rates, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Vendor:
    """A provider to add if its key is in the environment."""

    slug: str
    name: str
    key_variable: str
    base_url: str
    offers: tuple[Offer, ...]
    kind: Provider.Kind = Provider.Kind.OPENAI


_VENDORS = (
    Vendor(
        slug="openai",
        name="OpenAI",
        key_variable="OPENAI_API_KEY",
        base_url="https://api.openai.com/v1",
        offers=(
            Offer(
                name="gpt-6-luna",
                tier=Model.Tier.CHEAP,
                context_tokens=1_050_000,
                rates=(Rates(input="0.10", output="0.50", cache_read="0.01", cache_write="0.125"),),
            ),
            Offer(
                name="gpt-6.1-sol",
                tier=Model.Tier.STRONG,
                context_tokens=1_050_000,
                rates=(Rates(input="2.00", output="10.00", cache_read="0.10", cache_write="2.50"),),
            ),
        ),
    ),
    Vendor(
        slug="gemini",
        name="Google Gemini",
        key_variable="GEMINI_API_KEY",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        kind=Provider.Kind.GEMINI,
        offers=(
            Offer(
                name="gemini-3.5-flash-lite",
                tier=Model.Tier.CHEAP,
                context_tokens=1_000_000,
                rates=(Rates(input="0.30", output="2.50", cache_read="0.03", cache_write="0.30"),),
            ),
            Offer(
                name="gemini-3.8-flash",
                tier=Model.Tier.STRONG,
                context_tokens=1_000_000,
                rates=(
                    Rates(input="0.75", output="3.75", cache_read="0.075", cache_write="0.75"),
                    Rates(
                        input="1.50",
                        output="7.50",
                        cache_read="0.15",
                        cache_write="1.50",
                        begins=_NEW_YEAR_2027,
                    ),
                ),
            ),
        ),
    ),
    Vendor(
        slug="deepseek",
        name="DeepSeek",
        key_variable="DEEPSEEK_API_KEY",
        base_url="https://api.deepseek.com/v1",
        offers=(
            Offer(
                name="deepseek-flash",
                tier=Model.Tier.CHEAP,
                context_tokens=1_000_000,
                rates=(Rates(input="0.30", output="1.20", cache_read="0.006", cache_write="0.30"),),
            ),
            Offer(
                name="deepseek-v4-pro",
                tier=Model.Tier.STRONG,
                context_tokens=1_000_000,
                rates=(Rates(input="1.32", output="3.96", cache_read="0.044", cache_write="1.32"),),
            ),
        ),
    ),
    Vendor(
        slug="anthropic",
        name="Anthropic",
        key_variable="ANTHROPIC_API_KEY",
        base_url="https://api.anthropic.com/v1",
        kind=Provider.Kind.ANTHROPIC,
        offers=(
            Offer(
                name="claude-haiku-5-5",
                tier=Model.Tier.CHEAP,
                context_tokens=1_000_000,
                rates=(Rates(input="0.10", output="0.50", cache_read="0.01", cache_write="0.125"),),
            ),
            Offer(
                name="claude-opus-5-5",
                tier=Model.Tier.STRONG,
                context_tokens=1_000_000,
                rates=(Rates(input="4.00", output="20.00", cache_read="0.20", cache_write="5.00"),),
            ),
        ),
    ),
)

_DEMO_OFFERS = (
    Offer(
        name="small-1",
        tier=Model.Tier.CHEAP,
        context_tokens=128_000,
        rates=(Rates(input="0.15", output="0.60", cache_read="0.075", cache_write="0.15"),),
    ),
    Offer(
        name="large-1",
        tier=Model.Tier.STRONG,
        context_tokens=128_000,
        rates=(Rates(input="2.50", output="10.00", cache_read="1.25", cache_write="2.50"),),
    ),
)


@transaction.atomic
def seed_demo(url: str) -> None:
    """Add the demo provider at this base URL, its two models, and the rules that `auto` goes by.

    The address follows the argument on every run: its port is chosen anew at each start.
    """
    provider = _provider(DEMO, "Demo upstream", url)
    if provider.base_url != url:
        provider.base_url = url
        provider.save(update_fields=["base_url"])
    _key(provider, "demo-upstream-takes-any-key")
    small, large = (_model(provider, offer) for offer in _DEMO_OFFERS)
    _rule(DEFAULT_SIMPLE, small, priority=100, max_score=0.5)
    # Without a lower bound, so that it is also the fallback of the rule before it.
    _rule(DEFAULT_COMPLEX, large, priority=200, max_score=1.0)


@transaction.atomic
def seed_from_environment(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Add every provider whose key (or TARGET_URL) is set; return their slugs.

    Raises ImproperlyConfigured for a TARGET_URL that no provider may have.
    """
    slugs = []
    for vendor in _VENDORS:
        if secret := environment.get(vendor.key_variable):
            provider = _provider(vendor.slug, vendor.name, vendor.base_url, vendor.kind)
            _key(provider, secret)
            for offer in vendor.offers:
                _model(provider, offer)
            slugs.append(provider.slug)
    if url := environment.get("TARGET_URL"):
        _seed_target(url.rstrip("/"), environment)
        slugs.append(TARGET)
    return slugs


def _seed_target(url: str, environment: Mapping[str, str]) -> None:
    """Any OpenAI-compatible server. Its model is TARGET_MODEL; its price is unknown, so none is set."""
    try:
        check_base_url(url, parse_networks(settings.UPSTREAM_ALLOWED_NETWORKS))
    except RefusedAddress as error:
        raise ImproperlyConfigured(f"TARGET_URL: {error}") from None
    provider = _provider(TARGET, "TARGET_URL", url)
    if secret := environment.get("TARGET_API_KEY"):
        _key(provider, secret)
    name = environment.get("TARGET_MODEL") or "default"
    _model(provider, Offer(name=name, tier=Model.Tier.STRONG, context_tokens=128_000, rates=()))


def _provider(slug: str, name: str, base_url: str, kind: Provider.Kind = Provider.Kind.OPENAI) -> Provider:
    defaults = {"name": name, "base_url": base_url, "kind": kind}
    return Provider.objects.get_or_create(slug=slug, defaults=defaults)[0]


def _key(provider: Provider, secret: str) -> None:
    """Store the key unless this very key is stored already: a new ciphertext would be published for nothing."""
    stored = ProviderKey.objects.filter(provider=provider, label=_KEY_LABEL).first()
    if stored is None or not _holds(stored, secret):
        provider_key_set(provider, _KEY_LABEL, secret)


def _holds(key: ProviderKey, secret: str) -> bool:
    try:
        opened = open_sealed(bytes(key.ciphertext), provider_id=key.provider_id, uid=str(key.uid))
    except CannotOpen:
        return False
    return opened.get_secret_value() == secret


def _model(provider: Provider, offer: Offer) -> Model:
    defaults = {
        "upstream_name": offer.name,
        "tier": offer.tier,
        "context_tokens": offer.context_tokens,
    }
    model, added = Model.objects.get_or_create(provider=provider, name=offer.name, defaults=defaults)
    for rates in offer.rates if added else ():
        ModelPrice.objects.create(
            model=model,
            effective_from=rates.begins,
            input_usd=Decimal(rates.input),
            output_usd=Decimal(rates.output),
            cache_read_usd=Decimal(rates.cache_read),
            cache_write_usd=Decimal(rates.cache_write),
        )
    return model


def _rule(name: str, target: Model, *, priority: int, max_score: float) -> None:
    defaults = {"target": target, "priority": priority, "max_score": max_score}
    RoutingRule.objects.get_or_create(tenant=None, name=name, defaults=defaults)
