"""Whether a stored answer to a similar question may serve this one. Pure: what serves is what is evaluated.

The steps before it are taken elsewhere: whether the question may use the caches at all (caching.cacheability), and
which entries are in its scope (the search of caching.semantic).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NotRequired, Protocol, TypedDict, assert_never
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


class Verifier(Protocol):
    """A learned veto above the floor. It belongs to one embedder."""

    @property
    def version(self) -> str:
        """Name and version, as recorded."""

    def limit(self, mode: Literal["strict", "balanced"]) -> float:
        """Return the least score that serves."""

    def score(self, question: str, stored: str, similarity: float) -> float:
        """Return the probability that the answer to the stored question serves this one."""


class Check(StrEnum):
    """What a neighbour has to pass, in this order: the dearest check comes last."""

    FLOOR = "floor"
    GUARDS = "guards"
    TIER = "tier"
    MODEL = "model"
    VERIFIER = "verifier"


class Step(TypedDict):
    """What was found about one neighbour, as the record keeps it (no text)."""

    entry: str
    similarity: float | None
    """None: not a cosine at all."""
    verdict: str
    """`serve`, or why it was refused."""
    check: NotRequired[str]
    """Which check refused it."""
    score: NotRequired[float]
    """The verifier's, if it was asked."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question and what decides about its neighbours."""

    question: str
    rules: CacheRules
    complexity: str
    """As routing scores it."""
    allowed: Callable[[str], bool]
    """Whether the key may use a model."""
    verifier: Verifier | None
    """None: the embedder has none, and the caller doesn't serve."""


def decide(asked: Asked, neighbours: Sequence[Neighbour]) -> Decision:
    """Choose the neighbour whose answer serves the question, nearest first, or say why none does.

    `shadow` decides as `strict` does: the caller records the decision and asks upstream all the same.
    """
    trail: list[Step] = []
    nearest = _nearest(neighbours)
    for neighbour in nearest:
        step = _examine(asked, neighbour)
        trail.append(step)
        if step["verdict"] == "serve":
            return Serve(neighbour=neighbour, trail=tuple(trail))
    if not nearest:
        return Refuse(reason="no_neighbour", nearest=None, trail=())
    return Refuse(reason=trail[0]["verdict"], nearest=nearest[0], trail=tuple(trail))


def left_to_verify(asked: Asked, neighbours: Sequence[Neighbour]) -> list[Neighbour]:
    """Return the neighbours that pass every check before the verifier's, for one that has to be waited for."""
    unverified = replace(asked, verifier=None)
    return [each for each in _nearest(neighbours) if _examine(unverified, each)["verdict"] == "serve"]


def _nearest(neighbours: Sequence[Neighbour]) -> list[Neighbour]:
    return sorted(neighbours, key=_closeness, reverse=True)[:CANDIDATES]


def _examine(asked: Asked, neighbour: Neighbour) -> Step:
    """Put the neighbour to the checks in their order, up to the one that refuses it."""
    closeness = _closeness(neighbour)
    step = Step(
        entry=str(neighbour.entry),
        similarity=None if closeness == -math.inf else closeness,
        verdict="serve",
    )
    for check in Check:
        if reason := _refusal(check, asked, neighbour, step):
            step["verdict"], step["check"] = reason, check.value
            break
    return step


def _refusal(check: Check, asked: Asked, neighbour: Neighbour, step: Step) -> str | None:
    """Return why a neighbour may not serve; None if this check lets it pass. Notes the verifier's score."""
    match check:
        case Check.FLOOR:
            enough = asked.rules.least_similarity <= _closeness(neighbour) <= 1.0
            return None if enough else "below_floor"
        case Check.GUARDS:
            return _guarded(asked, neighbour)
        case Check.TIER:
            weaker = asked.complexity == "complex" and neighbour.complexity != "complex"
            return "weaker_tier" if weaker else None
        case Check.MODEL:
            return None if asked.allowed(neighbour.model) else "model_not_allowed"
        case Check.VERIFIER:
            return _vetoed(asked, neighbour, step)
        case _:
            assert_never(check)


def _guarded(asked: Asked, neighbour: Neighbour) -> str | None:
    for guard in GUARDS:
        if guard.is_on(asked.rules) and (reason := guard.refusal(asked.question, neighbour.question)):
            return reason
    return None


def _vetoed(asked: Asked, neighbour: Neighbour, step: Step) -> str | None:
    if asked.verifier is None:
        return None
    score = asked.verifier.score(asked.question, neighbour.question, _closeness(neighbour))
    if math.isfinite(score):
        step["score"] = round(score, 4)
    mode: Literal["strict", "balanced"] = "balanced" if asked.rules.semantic_mode == "balanced" else "strict"
    return None if score >= asked.verifier.limit(mode) else "verifier"


#: Rounding of unit vectors in float32 and halfvec can lift a cosine a little above 1.
_ROUNDING = 1e-3


def _closeness(neighbour: Neighbour) -> float:
    """Return the similarity, or minus infinity if it is no cosine (NaN, out of range)."""
    if not abs(neighbour.similarity) <= 1.0 + _ROUNDING:
        return -math.inf
    return min(neighbour.similarity, 1.0)
