"""Caching's parts of the policy snapshot."""

from dataclasses import dataclass
from typing import Literal

SemanticMode = Literal["off", "shadow", "strict", "balanced"]
Sharing = Literal["key", "tenant", "user"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheRules:
    """How one tenant's answers are kept and reused (fields of models.CachePolicy)."""

    exact_enabled: bool
    semantic_mode: SemanticMode
    semantic_enabled: bool
    """The tenant's kill switch of L2; False wins over the mode."""
    floor: float
    ttl_seconds: int
    max_ttl_seconds: int
    sharing: Sharing
    personal: Literal["details", "first_person"]
    guard_numbers: bool
    guard_polarity: bool
    max_turns: int
    max_entries: int
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheSwitches:
    """What stops caches for all tenants."""

    semantic_enabled: bool
