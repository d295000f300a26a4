"""What another mode or floor would have done with decisions that are on record. Pure; needs no text.

A record keeps of each neighbour its similarity, why it was refused, and what the verifier said. So a higher floor
and another limit of the verifier can be replayed exactly. What a check refused that comes before the verifier's
stays refused, whatever the mode. Not on record, hence `unknown`, is what later checks would have said of a
neighbour below the floor of that time, of one behind the neighbour that served, and of one that another verifier
scored.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from caching.truth import CONFIDENCE, Interval, exact_interval

Outcome = Literal["hit", "miss", "unknown"]

SERVE = "serve"
#: Refused by a floor alone: the checks after it weren't made, unless a score says that they were.
_BY_FLOOR = ("below_floor", "tuned_floor")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A neighbour as the record keeps it."""

    entry: str
    similarity: float
    verdict: str
    score: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PastDecision:
    """What L2 decided about one request, and what was at stake."""

    request: str
    served: bool
    """False in shadow mode, whatever was decided."""
    verifier: str | None
    candidates: tuple[Candidate, ...]
    worth_nano: int
    """What upstream's answer cost, or what the hit saved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A policy to be tried."""

    mode: Literal["strict", "balanced"]
    floor: float
    limit: float
    """The verifier's for this mode."""
    verifier: str
    """Version of the verifier that serves now: what another one said can't be held against this limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What a trial came to. Shares are of its hits."""

    trial: Trial
    decisions: int
    hits: int
    unknown: int
    """Decisions that can't be replayed: hits may be up to this many more."""
    saved_nano: int
    expected_wrong: float
    """Sum of the verifier's doubts (1 - score) over the hits."""
    judged: int
    """Hits that audits, shadow comparisons or near misses told right or wrong."""
    judged_wrong: int
    wrong_share: float | None
    """As judged, each kind of pair weighed by how many hits are of it; None: of some kind none was judged."""
    interval: Interval
    """Of the wrong share, at 95 % at least; [0, 1] where nothing is known."""


@dataclass(kw_only=True)
class _Stratum:
    """Hits that were sampled alike: what was served and what was refused are judged at different rates."""

    hits: int = 0
    judged: int = 0
    wrong: int = 0


@dataclass(kw_only=True)
class _Sums:
    counts: Counter[Outcome] = field(default_factory=Counter)
    saved: int = 0
    doubts: float = 0.0
    strata: dict[str, _Stratum] = field(default_factory=dict)


def past_decision(
    *, request: str, cache_status: str, decision: Mapping[str, Any], cost_nano: int, saved_nano: int
) -> PastDecision | None:
    """Read what a record keeps; None: L2 decided nothing about this request, or it is of another form."""
    candidates = decision.get("candidates")
    if not isinstance(candidates, list) or not all(isinstance(each, dict) for each in candidates):
        return None
    served = cache_status == "hit_semantic"
    return PastDecision(
        request=request,
        served=served,
        verifier=decision.get("verifier"),
        candidates=tuple(map(_candidate, candidates)),
        worth_nano=saved_nano if served else cost_nano,
    )


def _candidate(step: Mapping[str, Any]) -> Candidate:
    similarity, score = step.get("similarity"), step.get("score")
    return Candidate(
        entry=str(step.get("entry", "")),
        similarity=float(similarity) if isinstance(similarity, int | float) else -math.inf,
        verdict=str(step.get("verdict", "")),
        score=float(score) if isinstance(score, int | float) else None,
    )


def outcome_of(decision: PastDecision, trial: Trial) -> tuple[Outcome, Candidate | None]:
    """Return what the trial would have decided, and by which neighbour it would have been a hit."""
    for candidate in decision.candidates:
        if candidate.similarity < trial.floor:
            continue
        if candidate.score is None:
            if candidate.verdict in (SERVE, *_BY_FLOOR):
                return "unknown", None
            continue
        if decision.verifier != trial.verifier:
            return "unknown", None
        if candidate.score >= trial.limit:
            return "hit", candidate
        if candidate.verdict == SERVE:
            # It ended the search: there may have been another one behind.
            return "unknown", None
    return "miss", None


def replay(
    decisions: Sequence[PastDecision], trial: Trial, labels: Mapping[tuple[str, str], bool]
) -> Replayed:
    """Replay the decisions under a trial. labels: by (request, entry), whether one answer served both."""
    sums = _Sums()
    for decision in decisions:
        outcome, candidate = outcome_of(decision, trial)
        sums.counts[outcome] += 1
        if candidate is not None:
            _add_hit(sums, decision, candidate, labels.get((decision.request, candidate.entry)))
    share, interval = _stratified(sums.strata.values())
    return Replayed(
        trial=trial,
        decisions=len(decisions),
        hits=sums.counts["hit"],
        unknown=sums.counts["unknown"],
        saved_nano=sums.saved,
        expected_wrong=sums.doubts,
        judged=sum(stratum.judged for stratum in sums.strata.values()),
        judged_wrong=sum(stratum.wrong for stratum in sums.strata.values()),
        wrong_share=share,
        interval=interval,
    )


def _add_hit(sums: _Sums, decision: PastDecision, candidate: Candidate, same: bool | None) -> None:
    sums.saved += decision.worth_nano
    sums.doubts += 1.0 - (candidate.score or 0.0)
    kind = "served" if decision.served else "withheld" if candidate.verdict == SERVE else "refused"
    stratum = sums.strata.setdefault(kind, _Stratum())
    stratum.hits += 1
    if same is not None:
        stratum.judged += 1
        stratum.wrong += not same


def _stratified(strata: Iterable[_Stratum]) -> tuple[float | None, Interval]:
    """Return the wrong share over all strata and an interval that covers it at 95 % at least.

    Each stratum gets its part of the doubt (Bonferroni), so that all of their intervals hold at once.
    """
    strata = list(strata)
    hits = sum(stratum.hits for stratum in strata)
    if not hits:
        return None, Interval(low=0.0, high=1.0)
    confidence = 1.0 - (1.0 - CONFIDENCE) / len(strata)
    share: float | None = 0.0
    low = high = 0.0
    for stratum in strata:
        weight = stratum.hits / hits
        interval = exact_interval(stratum.wrong, stratum.judged, confidence)
        low, high = low + weight * interval.low, high + weight * interval.high
        if share is not None:
            share = share + weight * stratum.wrong / stratum.judged if stratum.judged else None
    return share, Interval(low=low, high=min(high, 1.0))
