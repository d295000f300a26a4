"""The two recall stages of a call. They fail open, here and nowhere else.

A cache that cannot be asked is an outcome of its own (`Unavailable`), counted each time and logged when it
begins and when it ends; it never is an exception, and never a hit.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from caching import metrics
from caching.answers import StoredAnswer
from caching.decision import (
    CANDIDATES,
    Asked,
    Decision,
    Neighbour,
    Refuse,
    Serve,
    Step,
    Verifier,
    decide,
    left_to_verify,
)
from caching.embedding import Embedder, EmbeddingUnavailable
from caching.exact import CacheUnavailable
from caching.fingerprint import Fingerprints
from caching.memory import HeldAnswer
from caching.policy import CacheRules
from caching.semantic import SemanticStore, SemanticUnavailable, StoredNeighbour
from caching.staleness import NO_STALE, StaleWindows, Standing
from caching.vectors import Vector
from caching.verification import RemoteVerifier, VerifierUnavailable

log = logging.getLogger(__name__)

#: Answers past their time must not take the place of fresh ones.
_CANDIDATES_WITH_STALE = 2 * CANDIDATES
#: In this order.
_PAST_THEIR_TIME: tuple[Standing, ...] = ("stale", "on_error")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactHit:
    """The answer to this very question."""

    answer: StoredAnswer
    age_s: float
    text_json: bytes = field(repr=False)
    """The answer's text as a JSON string, ready to be sent."""
    stale: bool = False
    """Past its time: it may be served if it is asked anew behind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactMiss:
    """No answer may be served; `reason` is `too_old` or `expired` if there is one, else None."""

    reason: str | None = None
    fallback: StoredAnswer | None = None
    """One that may be served if upstream fails."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unavailable:
    """A layer that was due could not be asked; `reason` reads `<layer>_<what>`, as recorded."""

    reason: str


ExactRecall = ExactHit | ExactMiss | Unavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarHit:
    """The answer to a question that means the same."""

    answer: StoredAnswer
    age_s: float
    similarity: float
    question: str = field(repr=False)
    """The stored one."""
    stale: bool = False
    """Past its time: it may be served if it is asked anew behind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarMiss:
    """No answer may be served, and why; `similarity` is that of the nearest entry, if there is one.

    `reason` is the decision's, `too_long` or `invalid` (the text has no vector), what the caller has against the
    question (`refuses`), or one of two that say that an answer would have been served: `shadow`, the tenant's
    mode, and `uncalibrated`, an embedder without a verifier.
    """

    reason: str
    similarity: float | None = None
    nearest: StoredNeighbour | None = field(default=None, repr=False)
    """The entry nearest to the question, or the one that would have been served."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarRecall:
    """What became of a semantic recall; `vector` spares the store step a second embedding."""

    outcome: SimilarHit | SimilarMiss | Unavailable
    trail: tuple[Step, ...] = ()
    verifier: str | None = None
    """Version of the verifier that was asked."""
    vector: Vector | None = field(default=None, repr=False)
    fallback: "SimilarRecall | None" = field(default=None, repr=False)
    """What would have been found, with a hit for its outcome, had answers past their time counted: it may be
    served if upstream fails."""


async def recall_exact(
    asked: Awaitable[StoredAnswer | None],
    hold: Callable[[StoredAnswer], HeldAnswer],
    *,
    max_age_s: float | None,
    windows: StaleWindows = NO_STALE,
) -> ExactRecall:
    """Wait for what L1 says of a question.

    asked: `ExactStore.get` of the question's fingerprint. hold: puts an answer that was found into memory (L0).
    max_age_s: older answers don't serve this call. windows: for which answers past their time do.
    """
    try:
        answer = await asked
    except CacheUnavailable as error:
        return _lost("exact", error.reason)
    _found("exact")
    if answer is None:
        return ExactMiss()
    found = hold(answer)
    if not is_young(answer, max_age_s):
        return ExactMiss(reason="too_old")
    standing = windows.standing(answer, time.time())
    if standing in ("fresh", "stale"):
        return exact_hit(found, stale=standing == "stale")
    return ExactMiss(reason="expired", fallback=answer if standing == "on_error" else None)


def exact_hit(held: HeldAnswer, *, stale: bool = False) -> ExactHit:
    return ExactHit(answer=held.answer, age_s=age_of(held.answer), text_json=held.text_json, stale=stale)


def is_young(answer: StoredAnswer, max_age_s: float | None) -> bool:
    """Whether the answer is young enough for a call that takes none older than this."""
    return max_age_s is None or age_of(answer) <= max_age_s


async def recall_similar(
    embedder: Embedder,
    store: SemanticStore,
    *,
    tenant_id: int,
    prints: Fingerprints,
    rules: CacheRules,
    complexity: str,
    allowed: Callable[[str], bool],
    refuses: Callable[[Vector], str | None],
    verifier_of: Callable[[str], Verifier | None],
    cross_encoder: RemoteVerifier | None,
    max_age_s: float | None,
    windows: StaleWindows = NO_STALE,
) -> SimilarRecall:
    """Look for an answer to a question that means the same, and decide whether it may serve.

    complexity: of the question. allowed: whether the key may use a model. refuses: says of the question's vector
    why no stored answer may serve it. verifier_of: an embedder's verifier. cross_encoder: asked in its place.
    windows: for which answers past their time may serve; fresh ones come first, however near the others are.
    Whether L2 is on at all is for the caller to know; shadow mode is heeded here.
    """
    try:
        vector = await embedder.embed(tenant_id, prints.text)
    except EmbeddingUnavailable as error:
        if error.about_text:
            return SimilarRecall(outcome=SimilarMiss(reason=error.reason))
        return SimilarRecall(outcome=_lost("embedding", error.reason))
    _found("embedding")
    if reason := refuses(vector):
        return SimilarRecall(outcome=SimilarMiss(reason=reason), vector=vector)
    try:
        limit = _CANDIDATES_WITH_STALE if windows else CANDIDATES
        stored = await store.nearest(tenant_id, prints.scope, vector, limit=limit)
    except SemanticUnavailable as error:
        return SimilarRecall(outcome=_lost("semantic", error.reason), vector=vector)
    _found("semantic")
    young = [each for each in stored if is_young(each.answer, max_age_s)]
    by_standing = _by_standing(young, windows)
    asked = Asked(
        question=prints.text,
        rules=rules,
        complexity=complexity,
        allowed=allowed,
        verifier=verifier_of(vector.embedder_id),
    )
    if cross_encoder is not None:
        to_score = [
            left.question
            for usable in by_standing.values()
            for left in left_to_verify(asked, [each.neighbour for each in usable])
        ]
        try:
            asked = replace(asked, verifier=await cross_encoder.judge(prints.text, to_score))
        except VerifierUnavailable as error:
            return SimilarRecall(outcome=_lost("verifier", error.reason), vector=vector)
        _found("verifier")
    return _decided(asked, by_standing, vector)


def _by_standing(
    stored: list[StoredNeighbour], windows: StaleWindows
) -> dict[Standing, list[StoredNeighbour]]:
    """Sort neighbours by how they may be used, those left out whose time is over."""
    now = time.time()
    found: dict[Standing, list[StoredNeighbour]] = {"fresh": [], "stale": [], "on_error": [], "over": []}
    for each in stored:
        found[windows.standing(each.answer, now)].append(each)
    del found["over"]
    return found


def _decided(
    asked: Asked, by_standing: dict[Standing, list[StoredNeighbour]], vector: Vector
) -> SimilarRecall:
    """Decide on what is fresh and, if nothing of it serves, on what is past its time."""
    found = _recalled(asked, by_standing["fresh"], vector)
    if isinstance(found.outcome, SimilarHit) or _withheld(asked):
        return found
    for standing in _PAST_THEIR_TIME:
        past = _recalled(asked, by_standing[standing], vector)
        past = replace(past, trail=found.trail + past.trail)
        if isinstance(past.outcome, SimilarHit):
            hit = replace(past, outcome=replace(past.outcome, stale=True))
            return hit if standing == "stale" else replace(found, fallback=hit)
        found = replace(found, trail=past.trail)
    return found


def _recalled(asked: Asked, stored: list[StoredNeighbour], vector: Vector) -> SimilarRecall:
    decision = decide(asked, [each.neighbour for each in stored])
    return SimilarRecall(
        outcome=_outcome(decision, stored, withheld=_withheld(asked)),
        trail=decision.trail,
        verifier=asked.verifier.version if asked.verifier else None,
        vector=vector,
    )


def _withheld(asked: Asked) -> str | None:
    """Return why what is decided isn't served, whatever it is; None: it is served."""
    if asked.rules.semantic_mode == "shadow":
        return "shadow"
    return None if asked.verifier else "uncalibrated"


def _outcome(
    decision: Decision, stored: list[StoredNeighbour], *, withheld: str | None
) -> SimilarHit | SimilarMiss:
    match decision:
        case Refuse(reason=reason, nearest=nearest):
            return _missed(reason, nearest, stored)
        case Serve(neighbour=neighbour) if withheld:
            return _missed(withheld, neighbour, stored)
        case Serve(neighbour=neighbour):
            found = _stored_as(neighbour, stored)
            return SimilarHit(
                answer=found.answer,
                age_s=age_of(found.answer),
                similarity=min(neighbour.similarity, 1.0),
                question=neighbour.question,
            )
        case _:
            assert_never(decision)


def _missed(reason: str, nearest: Neighbour | None, stored: list[StoredNeighbour]) -> SimilarMiss:
    if nearest is None:
        return SimilarMiss(reason=reason)
    return SimilarMiss(reason=reason, similarity=nearest.similarity, nearest=_stored_as(nearest, stored))


def _stored_as(neighbour: Neighbour, stored: list[StoredNeighbour]) -> StoredNeighbour:
    return next(each for each in stored if each.neighbour is neighbour)


def age_of(answer: StoredAnswer) -> float:
    """Return how many seconds ago the answer was made."""
    return max(0.0, time.time() - answer.created_at)


#: The layers that couldn't be asked last time: a state is logged when it begins and when it ends.
_lost_layers: set[str] = set()


def _lost(layer: str, reason: str) -> Unavailable:
    metrics.UNAVAILABLE.labels(layer=layer, reason=reason).inc()
    # An overloaded layer answers the calls before and after: it isn't lost, and would come and go in the log.
    if layer not in _lost_layers and reason != "overloaded":
        _lost_layers.add(layer)
        log.warning("cache layer lost, calls go on without it", extra={"layer": layer, "reason": reason})
    return Unavailable(reason=f"{layer}_{reason}")


def _found(layer: str) -> None:
    if layer in _lost_layers:
        _lost_layers.discard(layer)
        log.warning("cache layer back", extra={"layer": layer})


def lost_layers() -> frozenset[str]:
    """Return the layers that could not be asked last time (for /readyz)."""
    return frozenset(_lost_layers)
