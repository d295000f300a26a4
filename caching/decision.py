"""Whether a stored answer to a similar question may serve this one. Pure: what serves is what is evaluated."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict
from uuid import UUID

from caching.guards import GUARDS
from caching.policy import CacheRules

#: A rephrased question may come twice among the neighbours; further ones are not worth the time.
CANDIDATES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """An entry of the same tenant, scope and embedder, found near the question."""

    entry: UUID
    similarity: float
    """Cosine, higher is closer."""
    question: str
    complexity: str
    """Of the prompt that the entry's answer was made for."""
    model: str


class Step(TypedDict):
    """What was found about one neighbour, as the record keeps it (no text)."""

    entry: str
    similarity: float | None
    """None: not a cosine at all."""
    verdict: str
    """`serve`, or why it was refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Serve:
    """The neighbour's answer serves the question."""

    neighbour: Neighbour
    trail: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """No neighbour's answer serves the question."""

    reason: str
    """Why the nearest one was refused, or `no_neighbour`."""
    nearest: Neighbour | None
    trail: tuple[Step, ...]


Decision = Serve | Refuse


def decide(
    question: str,
    neighbours: Sequence[Neighbour],
    rules: CacheRules,
    *,
    complexity: str,
    allowed: Callable[[str], bool],
) -> Decision:
    """Choose the neighbour whose answer serves the question, nearest first, or say why none does.

    complexity: of the question, as routing scores it. allowed: whether the key may use a model.
    `strict` asks one guard more than `balanced` (names); the floor is the same. `shadow` decides as `strict`
    does: the caller records the decision and asks upstream all the same.
    """
    trail: list[Step] = []
    nearest = sorted(neighbours, key=_closeness, reverse=True)[:CANDIDATES]
    for neighbour in nearest:
        reason = _refusal(question, neighbour, rules, complexity=complexity, allowed=allowed)
        trail.append(_step(neighbour, reason or "serve"))
        if reason is None:
            return Serve(neighbour=neighbour, trail=tuple(trail))
    if not nearest:
        return Refuse(reason="no_neighbour", nearest=None, trail=())
    return Refuse(reason=trail[0]["verdict"], nearest=nearest[0], trail=tuple(trail))


def _refusal(
    question: str,
    neighbour: Neighbour,
    rules: CacheRules,
    *,
    complexity: str,
    allowed: Callable[[str], bool],
) -> str | None:
    """Return why a neighbour may not serve, in the order of the checks; None if it may."""
    if not rules.floor <= _closeness(neighbour) <= 1.0:
        return "below_floor"
    for guard in GUARDS:
        if guard.is_on(rules) and (reason := guard.refusal(question, neighbour.question)):
            return reason
    if complexity == "complex" and neighbour.complexity != "complex":
        return "weaker_tier"
    return None if allowed(neighbour.model) else "model_not_allowed"


#: Rounding of unit vectors in float32 and halfvec can lift a cosine a little above 1.
_ROUNDING = 1e-3


def _closeness(neighbour: Neighbour) -> float:
    """Return the similarity, or minus infinity if it is no cosine (NaN, out of range)."""
    if not abs(neighbour.similarity) <= 1.0 + _ROUNDING:
        return -math.inf
    return min(neighbour.similarity, 1.0)


def _step(neighbour: Neighbour, verdict: str) -> Step:
    closeness = _closeness(neighbour)
    similarity = None if closeness == -math.inf else closeness
    return Step(entry=str(neighbour.entry), similarity=similarity, verdict=verdict)
