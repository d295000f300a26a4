"""How many semantic hits are wrong, how surely that is known, and which floor it asks for. Pure.

Words: a pair is *judged* when it was told whether the stored answer serves the question (`same` or `different`);
what cannot be told is *unsure* and counts neither as right nor as wrong. The share of wrong pairs among the judged
ones is the wrong_hit_share.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95

#: Audits that a first figure rests on; until then this share of the hits is audited. With none wrong they show
#: that less than 1 % is (95 %, one-sided).
FIRST_AUDITS = 300
FIRST_RATE = 0.20
#: However many wrong hits there are, an interval as narrow as that needs no more audits than this.
_MOST_AUDITS = 1_500

#: Floors are steps of this: "0.874" says all that there is to say.
_GRID = 1_000
#: With fewer judged pairs one wrong hit of bad luck would move the floor.
_LEAST_JUDGED = 30
#: What a single change may move the floor by: up by much, since wrong hits cost more than lost ones.
_MOST_UP = 0.03
_MOST_DOWN = 0.01
_LEAST_MOVE = 0.005
#: Judged pairs that have to come between two changes: the same evidence doesn't move the floor twice.
_BEFORE_UP = 10
_BEFORE_DOWN = 100
#: The floor comes down only where the wrong share is under this part of the target: what is allowed to come down
#: must not have to go up again at once.
_WELL_BELOW = 0.5
#: Judged pairs in the slice that is let in again: without any, nothing is known of it.
_LEAST_IN_SLICE = 5
#: One-sided confidence that the share is over the target. Less than CONFIDENCE: a wrong answer costs more than the
#: calls that a floor too high loses, and those can be won back.
_SUSPICION = 0.90
_PRECISION = 1e-10


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Bounds of a share, each in [0, 1]."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A pair that was, or would be, served at the staff's floor, and what was judged of it."""

    similarity: float
    wrong: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FloorMove:
    """A new floor in effect and what it rests on."""

    before: float
    after: float
    judged: int
    """Pairs that the floor before accepts."""
    wrong: int
    reason: str


def exact_interval(wrong: int, judged: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the Clopper-Pearson interval of a share: it covers the truth at least as often as it says.

    low solves P(X >= wrong) = (1 - confidence) / 2, high solves P(X <= wrong) = the same, X binomial of `judged`
    tries (Clopper & Pearson, Biometrika 26, 1934). Raises ValueError unless 0 <= wrong <= judged and
    0 < confidence < 1. Without any pair it is [0, 1].
    """
    if not 0 <= wrong <= judged or not 0.0 < confidence < 1.0:
        raise ValueError(f"{wrong} wrong of {judged} at confidence {confidence}")
    tail = (1.0 - confidence) / 2.0
    return Interval(low=_lower(wrong, judged, tail), high=1.0 - _lower(judged - wrong, judged, tail))


def least_share(wrong: int, judged: int, confidence: float = _SUSPICION) -> float:
    """Return the one-sided lower Clopper-Pearson bound of a share."""
    return _lower(wrong, judged, 1.0 - confidence)


def audit_rate(*, judged: int, wrong: int, hits: int, target: float) -> float:
    """Return the share of semantic hits to audit.

    judged, wrong: of the window that the figure is made of; hits: semantic hits in that window; target: the
    tenant's wrong_hit_share. Once there is a first figure, as many are audited as keep its interval as narrow as
    that of FIRST_AUDITS at the target: its width grows with sqrt(p (1 - p) / n), so a share p over the target
    needs n = FIRST_AUDITS p (1 - p) / (target (1 - target)).
    """
    if judged < FIRST_AUDITS:
        return FIRST_RATE
    return min(FIRST_RATE, audits_needed(wrong / judged, target) / max(hits, 1))


def audits_needed(share: float, target: float) -> int:
    """Return how many audits of a window hold the width of the interval (see audit_rate)."""
    at_target = max(target * (1.0 - target), 1e-6)
    needed = FIRST_AUDITS * max(1.0, share * (1.0 - share) / at_target)
    return min(_MOST_AUDITS, math.ceil(needed))


def controlled_floor(pairs: Sequence[Judged], target: float, *, lowest: float) -> float | None:
    """Return the least floor that keeps the wrong pairs within the target; None: these pairs can't show any.

    Conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster, ICLR 2024, arXiv 2208.02814) on the grey
    band, which is what is served at the staff's floor `lowest`: the least floor at which

        n / (n + 1) * R + 1 / (n + 1) <= target,    R = (pairs accepted and wrong) / n,    n = pairs of the band,

    so that at least 1 / target - 1 pairs are needed. The bound is on wrong hits among the band's pairs, and holds
    on average and as long as tomorrow's pairs are like these. Since the tenant's target is a share of the *hits*,
    which are fewer than the band's pairs, the share of the accepted pairs has to be within the target as well.
    """
    band = [pair for pair in pairs if pair.similarity >= lowest]
    for step in range(math.ceil(round(lowest * _GRID, 6)), _GRID + 1):
        floor = step / _GRID
        accepted = [pair.wrong for pair in band if pair.similarity >= floor]
        wrong = sum(accepted)
        if wrong + 1 <= target * (len(band) + 1) and wrong <= target * len(accepted):
            return floor
    return None


def tuned(
    pairs: Sequence[Judged], *, staff_floor: float, in_effect: float, target: float, since_change: int
) -> FloorMove | None:
    """Return where the floor in effect should move, or None if it should stay.

    pairs: judged lately, each served or fit to be served at the staff's floor. since_change: how many of them
    were judged after the last change. Never goes below `staff_floor`, nor beyond 1.

    - Up, by 0.03 at most, when the pairs that are accepted now are wrong too often: the 90 % lower bound of their
      share is over the target or, with enough pairs for a figure of its own, the share itself is. To
      `controlled_floor`, if that is told by now.
    - Down, by 0.01 at most, when `controlled_floor` at half of the target lies below, 100 pairs after the last
      change, and if pairs of what would be let in were judged.
    """
    accepted = [pair.wrong for pair in pairs if pair.similarity >= in_effect]
    judged, wrong = len(accepted), sum(accepted)
    after, reason = in_effect, ""
    if _is_over(wrong, judged, target):
        if since_change >= _BEFORE_UP:
            after, reason = _raised(pairs, staff_floor, in_effect, target), "over the target"
    elif in_effect > staff_floor and since_change >= _BEFORE_DOWN:
        after, reason = _lowered(pairs, staff_floor, in_effect, target), "well below the target"
    if after == in_effect:
        return None
    return FloorMove(before=in_effect, after=after, judged=judged, wrong=wrong, reason=reason)


def _is_over(wrong: int, judged: int, target: float) -> bool:
    if judged < _LEAST_JUDGED or wrong <= target * judged:
        return False
    return judged >= FIRST_AUDITS or least_share(wrong, judged) > target


def _raised(pairs: Sequence[Judged], staff_floor: float, in_effect: float, target: float) -> float:
    wanted = controlled_floor(pairs, target, lowest=staff_floor) or 1.0
    # The bound on the band may be kept where the share of what is accepted is not: then a small step it is.
    move = min(max(wanted - in_effect, _LEAST_MOVE), _MOST_UP)
    return min(1.0, _on_grid(in_effect + move))


def _lowered(pairs: Sequence[Judged], staff_floor: float, in_effect: float, target: float) -> float:
    wanted = controlled_floor(pairs, _WELL_BELOW * target, lowest=staff_floor)
    if wanted is None or in_effect - wanted < min(_LEAST_MOVE, in_effect - staff_floor):
        return in_effect
    floor = max(staff_floor, _on_grid(max(wanted, in_effect - _MOST_DOWN)))
    let_in = sum(floor <= pair.similarity < in_effect for pair in pairs)
    return floor if let_in >= _LEAST_IN_SLICE else in_effect


def _on_grid(floor: float) -> float:
    return round(floor * _GRID) / _GRID


@lru_cache(maxsize=4096)
def _lower(wrong: int, judged: int, tail: float) -> float:
    """Return the share p at which P(X >= wrong) = tail, X binomial; by bisection."""
    if wrong == 0:
        return 0.0
    low, high = 0.0, 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2.0
        # P(X >= k) of n tries at p is the regularised incomplete beta function I_p(k, n - k + 1) (DLMF 8.17.5).
        if _regularised_beta(middle, wrong, judged - wrong + 1) < tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _regularised_beta(x: float, a: float, b: float) -> float:
    """Return I_x(a, b) for x in (0, 1), by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1.0) / (a + b + 2.0):
        # There the fraction of the mirrored function converges, and quickly (DLMF 8.17.4).
        return 1.0 - _regularised_beta(1.0 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)), by Lentz's method as Thompson and Barnett changed it."""
    tiny = 1e-300
    value, numerator, denominator = 1.0, 1.0, 0.0
    for place in range(1, 10_000):
        half, odd = divmod(place, 2)
        if odd:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        numerator = 1.0 + term / numerator or tiny
        denominator = 1.0 / (1.0 + term * denominator or tiny)
        value *= numerator * denominator
        if abs(numerator * denominator - 1.0) < 1e-15:
            break
    return value
