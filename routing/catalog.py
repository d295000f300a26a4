"""Routing's parts of the policy snapshot: models, prices, provider access and rules as plain values."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """Pico-USD per token (USD per million tokens x 10^6: exact for prices of six decimals)."""

    effective_from: float
    """Unix seconds."""
    input_pico: int
    output_pico: int
    cache_read_pico: int
    cache_write_pico: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptedKey:
    """A provider key as it is stored (routing/secrets.py opens it)."""

    uid: str
    """The row's uuid; the ciphertext is bound to it and to the provider's id."""
    ciphertext: str = field(repr=False)
    """base64."""
    weight: int = 1
    """Its share of the conversations, beside the provider's other keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderAccess:
    """Where a provider is and how to sign in there. Keys stay encrypted until a call needs one."""

    id: int
    slug: str
    kind: Literal["openai", "anthropic", "gemini"]
    """Which API is spoken there."""
    base_url: str
    encrypted_keys: tuple[EncryptedKey, ...]
    """The active ones; empty: calls are sent without a key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A model at a provider that calls may be sent to."""

    id: int
    provider: str
    """The provider's slug."""
    name: str
    upstream_name: str
    tier: Literal["cheap", "strong"]
    context_tokens: int
    aliases: tuple[str, ...]
    prices: tuple[Price, ...]
    """Newest first."""
    connect_s: float | None = None
    """This and the next three: bounds of an attempt in seconds; None: the deployment's."""
    first_token_s: float | None = None
    between_chunks_s: float | None = None
    total_s: float | None = None

    @property
    def full_name(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One routing rule (fields of models.RoutingRule)."""

    name: str
    priority: int
    model_asked: str
    min_score: float
    max_score: float
    tags: tuple[str, ...]
    action: Literal["route", "deny"]
    target_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """Gateway-wide: every active target and provider, and the rules of all tenants."""

    targets: tuple[Target, ...]
    providers: tuple[ProviderAccess, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantRules:
    """A tenant's own rules; they come before those of all tenants."""

    rules: tuple[Rule, ...]
