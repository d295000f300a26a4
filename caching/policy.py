"""Caching's parts of the policy snapshot."""

from dataclasses import dataclass
from decimal import Decimal
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
    balanced_floor: float
    """The floor of balanced mode."""
    tuned_floor: float | None
    """The floor that audits ask for; it counts where it is higher than the staff's."""
    ttl_seconds: int
    """Of answers to questions whose facts change slowly."""
    static_ttl_seconds: int
    """Of answers to questions whose facts don't change."""
    live_ttl_seconds: int
    """Of answers that depend on the moment; 0: they are not kept."""
    max_ttl_seconds: int
    freshness_cut: float | None
    """Freshness score from which a question isn't static; None: the model's own."""
    stale_while_revalidate_seconds: int
    stale_on_error_seconds: int
    sharing: Sharing
    personal: Literal["details", "first_person"]
    guard_numbers: bool
    guard_units: bool
    guard_polarity: bool
    guard_identifiers: bool
    guard_quotes: bool
    guard_coreference: bool
    guard_names: bool
    audits_enabled: bool
    audit_budget_usd: Decimal
    """For a month; judges included."""
    target_wrong_share: float
    """Of semantic hits; audits tighten the floor above it."""
    judge_model: str
    """Asked whether two answers say the same; empty: no model is asked."""
    max_turns: int
    max_entries: int
    max_bytes: int
    epoch: int

    @property
    def stale_window_s(self) -> int:
        """How long an answer is kept past its TTL."""
        return max(self.stale_while_revalidate_seconds, self.stale_on_error_seconds)

    @property
    def least_similarity(self) -> float:
        """The floor in effect: audits may raise it, never lower it."""
        return max(self.staff_floor, self.tuned_floor or 0.0)

    @property
    def staff_floor(self) -> float:
        """The floor of the mode, before audits."""
        return self.balanced_floor if self.semantic_mode == "balanced" else self.floor


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheSwitches:
    """What stops caches for all tenants."""

    semantic_enabled: bool
