"""How hits and wrong hits trade against each other as a threshold moves, for the decision and for plain cosine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal, TypedDict

from caching.decision import Verifier
from caching.policy import CacheRules
from gateway.evaluation import Question, Verdict, answer_stream

#: Of the verifier's score.
SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
COSINES = (0.70, 0.75, 0.80, 0.85, 0.88, 0.90, 0.92, 0.94, 0.96, 0.98)
#: Checks that come before the verifier's: what they refuse is hit at no threshold.
_PASSED = (None, "exact", "verifier")


class PairPoint(TypedDict):
    """What a threshold does with pairs; a rate of nothing is None."""

    threshold: float
    hit_rate: float | None
    precision: float | None
    recall: float | None
    false_hit_rate: float | None


class StreamPoint(TypedDict):
    """What a threshold does with a stream."""

    threshold: float
    hit_rate: float | None
    wrong_hit_share: float | None
    wrong_served_rate: float | None


@dataclass(kw_only=True)
class AtThreshold:
    """A verifier whose limit is another one. It keeps what it was told: a pair is scored once in many runs."""

    verifier: Verifier
    threshold: float
    known: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return self.verifier.version

    def limit(self, mode: Literal["strict", "balanced"]) -> float:
        return self.threshold

    def score(self, question: str, stored: str, similarity: float) -> float:
        if (found := self.known.get((question, stored))) is None:
            found = self.known[question, stored] = self.verifier.score(question, stored, similarity)
        return found


def pair_curve(scores: Sequence[float], same: Sequence[bool], thresholds: Sequence[float]) -> list[PairPoint]:
    """Return a point for each threshold: a pair hits if its score is at least that."""
    return [_pair_point(threshold, scores, same) for threshold in thresholds]


def _pair_point(threshold: float, scores: Sequence[float], same: Sequence[bool]) -> PairPoint:
    hits = [is_same for score, is_same in zip(scores, same, strict=True) if score >= threshold]
    right = sum(hits)
    return PairPoint(
        threshold=threshold,
        hit_rate=share(len(hits), len(same)),
        precision=share(right, len(hits)),
        recall=share(right, sum(same)),
        false_hit_rate=share(len(hits) - right, len(same) - sum(same)),
    )


def decision_scores(verdicts: Sequence[Verdict]) -> list[float]:
    """Return the score by which each pair would hit, 0 for what no threshold of the verifier would let hit."""
    return [verdict.score if verdict.reason in _PASSED else 0.0 for verdict in verdicts]


def cosines(pairs: Sequence[tuple[Question, Question]]) -> list[float]:
    """Return the similarity of each pair; 0 where a text has no vector, 1 for the same text."""
    return [
        1.0
        if a.text == b.text
        else 0.0
        if a.vector is None or b.vector is None
        else float(a.vector @ b.vector)
        for a, b in pairs
    ]


def p_chr_auc(scores: Sequence[float], same: Sequence[bool]) -> float | None:
    """Return the area under precision over hit rate, pairs hit in the order of their scores (arXiv 2606.19719).

    Pairs of one score are hit together; between two such steps precision is taken to go in a straight line.
    """
    steps = _steps(scores, same)
    area, hits_before, precision_before = 0.0, 0, None
    for hits, right in steps:
        precision = right / hits
        start = precision if precision_before is None else precision_before
        area += (hits - hits_before) / len(scores) * (start + precision) / 2
        hits_before, precision_before = hits, precision
    return area if steps else None


def average_precision(scores: Sequence[float], same: Sequence[bool]) -> float | None:
    """Return the area under precision over recall, as steps."""
    total = sum(same)
    if not total:
        return None
    area, right_before = 0.0, 0
    for hits, right in _steps(scores, same):
        area += (right - right_before) / total * right / hits
        right_before = right
    return area


def _steps(scores: Sequence[float], same: Sequence[bool]) -> list[tuple[int, int]]:
    """Return how many are hit and how many of these rightly, at each score from the top."""
    ranked = sorted(zip(scores, same, strict=True), reverse=True)
    steps, hits, right = [], 0, 0
    for _, group in groupby(ranked, key=lambda each: each[0]):
        found = [is_same for _, is_same in group]
        hits, right = hits + len(found), right + sum(found)
        steps.append((hits, right))
    return steps


def decision_stream_curve(
    questions: Sequence[Question], classes: Sequence[object], verifier: Verifier, thresholds: Sequence[float]
) -> list[StreamPoint]:
    """Ask the stream once for each threshold of the verifier's score: what is hit changes what is stored."""
    known: dict[tuple[str, str], float] = {}
    return [
        stream_point(
            threshold,
            classes,
            answer_stream(questions, AtThreshold(verifier=verifier, threshold=threshold, known=known)),
        )
        for threshold in thresholds
    ]


def cosine_stream_curve(
    questions: Sequence[Question], classes: Sequence[object], thresholds: Sequence[float]
) -> list[StreamPoint]:
    """The same for plain cosine: no guards, no tiers, no verifier. questions: prepared without bypass."""
    return [
        stream_point(threshold, classes, answer_stream(map(_plain_at(threshold), questions), None))
        for threshold in thresholds
    ]


def _plain_at(floor: float) -> Callable[[Question], Question]:
    def plain(question: Question) -> Question:
        plan = question.plan
        rules = without_guards(replace(plan.rules, floor=floor, tuned_floor=None))
        route = replace(plan.route, complexity="simple")
        return replace(question, plan=replace(plan, rules=rules, route=route))

    return plain


def without_guards(rules: CacheRules) -> CacheRules:
    switches: dict[str, Any] = {
        name: False for name in CacheRules.__dataclass_fields__ if name.startswith("guard_")
    }
    return replace(rules, **switches)


def stream_point(threshold: float, classes: Sequence[object], verdicts: Sequence[Verdict]) -> StreamPoint:
    """Return what became of a stream; a hit is wrong if it serves the answer of another class."""
    hits = sum(verdict.hit for verdict in verdicts)
    wrong = sum(
        verdict.of is not None and classes[verdict.of] != asked
        for asked, verdict in zip(classes, verdicts, strict=True)
    )
    return StreamPoint(
        threshold=threshold,
        hit_rate=share(hits, len(verdicts)),
        wrong_hit_share=share(wrong, hits),
        wrong_served_rate=share(wrong, len(verdicts)),
    )


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
