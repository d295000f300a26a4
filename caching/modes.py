"""The steps by which a tenant's semantic cache is trusted with more, and what has to be known before each."""

from dataclasses import dataclass
from typing import Literal

from django.db import transaction

from caching.models import CachePolicy
from caching.policy import SemanticMode
from caching.truth import exact_interval

#: From least to most: each mode serves what the one before it does, and more.
LADDER: tuple[SemanticMode, ...] = ("shadow", "strict", "balanced")
#: So that the upper bound of a two-sided interval is one-sided at 95 %.
_TWO_SIDED = 0.90
#: More checked hits than this are asked of nobody.
_MOST_NEEDED = 100_000


class MoveRefused(Exception):
    """The mode is not changed; the message says why, to staff."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What checked hits show of a target."""

    judged: int
    wrong: int
    target: float
    shown: float
    """The wrong share that these hits rule out: less is shown at 95 %, one-sided."""
    missing: int | None
    """How many more have to be right before the target is shown; 0: it is. None: more than anybody checks."""

    @property
    def shown_percent(self) -> str:
        return f"{self.shown:.1%}"

    @property
    def target_percent(self) -> str:
        return f"{self.target:.1%}"


def standing_of(judged: int, wrong: int, target: float) -> Standing:
    """Return what `wrong` wrong ones among `judged` checked hits show of a target (a share)."""
    needed = _needed(wrong, target)
    return Standing(
        judged=judged,
        wrong=wrong,
        target=target,
        shown=_ruled_out(wrong, judged),
        missing=None if needed is None else max(0, needed - judged),
    )


def _needed(wrong: int, target: float) -> int | None:
    """Return how many checked hits show the target if `wrong` of them are wrong; by bisection."""
    low, high = wrong, _MOST_NEEDED
    if target <= 0 or wrong > high or _ruled_out(wrong, high) > target:
        return None
    while low < high:
        middle = (low + high) // 2
        if _ruled_out(wrong, middle) <= target:
            high = middle
        else:
            low = middle + 1
    return low


def _ruled_out(wrong: int, judged: int) -> float:
    return exact_interval(wrong, judged, _TWO_SIDED).high


def step_from(mode: str, direction: Literal["up", "down"]) -> SemanticMode | None:
    """Return the next mode in this direction; None at the end. From `off` the only way is up, to shadow."""
    if mode == "off":
        return LADDER[0] if direction == "up" else None
    place = LADDER.index(mode) + (1 if direction == "up" else -1)
    return LADDER[place] if 0 <= place < len(LADDER) else None


@transaction.atomic
def move(policy_id: int, *, before: str, to: str, calibrated: bool) -> CachePolicy:
    """Put a tenant's semantic cache one step up or down; in effect in every process within a second.

    before: the mode that whoever decides this was looking at. calibrated: whether the embedder has a verifier.
    Raises MoveRefused.
    """
    policy = CachePolicy.objects.select_for_update().select_related("tenant").get(pk=policy_id)
    if policy.semantic_mode != before:
        raise MoveRefused(f"The mode was changed meanwhile: it is {policy.semantic_mode} now.")
    if to not in (step_from(before, "up"), step_from(before, "down")):
        raise MoveRefused(f"There is no step from {before} to {to}.")
    if to != "shadow" and to == step_from(before, "up") and not calibrated:
        raise MoveRefused(
            "The embedder has no verifier: no hit of it is calibrated, and nothing would be served. "
            "Train one first (verifier_train)."
        )
    policy.semantic_mode = to
    policy.save(update_fields=["semantic_mode"])
    return policy


@transaction.atomic
def allow(policy_id: int, *, allowed: bool) -> CachePolicy:
    """Throw the tenant's kill switch: False stops L2 in every process within a second, whatever the mode."""
    policy = CachePolicy.objects.select_for_update().select_related("tenant").get(pk=policy_id)
    policy.semantic_enabled = allowed
    policy.save(update_fields=["semantic_enabled"])
    return policy
