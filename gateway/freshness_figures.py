"""What the freshness score and the rules before it make of labelled questions, under default rules."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from caching.embedder import TextEncoder
from caching.vectors import Vector, vector_of
from gateway.errors import Refusal
from gateway.labelled_rows import Row
from gateway.planning import Plan, plan_call
from gateway.scene import Scene, default_rules, default_scene
from gateway.schemas import ChatRequest
from routing.freshness import Freshness


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A question's plan under default rules, and its freshness."""

    plan: Plan
    freshness: Freshness
    seconds: float
    """Spent on both, without embedding."""


def judge(queries: Sequence[str], encoder: TextEncoder) -> list[Judged]:
    """Plan each question as a call does and score it, also those that the rules kept from being embedded."""
    scene = default_scene(default_rules("strict"))
    return [
        _judged(query, None if isinstance(row, str) else vector_of(encoder.embedder_id, row.tolist()), scene)
        for query, row in zip(queries, encoder.encode(queries), strict=True)
    ]


def _judged(query: str, vector: Vector | None, scene: Scene) -> Judged:
    # Unchecked: a row may hold an empty question, which serving would refuse as such.
    call = scene.call(ChatRequest.model_construct(prompt=query))
    start = time.perf_counter()
    plan = plan_call(call)
    if isinstance(plan, Refusal):
        raise AssertionError(f"a plain question was refused: {plan.code}")
    plan = plan.judged(vector)
    if plan.freshness is None:
        raise AssertionError("a judged plan has its freshness")
    return Judged(plan=plan, freshness=plan.freshness, seconds=time.perf_counter() - start)


def summary_of(labelled: Sequence[Row], judged: Sequence[Judged]) -> Row:
    """Return the figures; a rate of nothing is None. Bypasses are told apart for dynamic and static questions."""
    dynamic = [bool(row["dynamic"]) for row in labelled]
    found = [each.freshness.kind != "static" for each in judged]
    bypassed = [not each.plan.writes for each in judged]
    by_rules = [not each.plan.cacheability.cacheable for each in judged]
    right = sum(is_so and is_found for is_so, is_found in zip(dynamic, found, strict=True))
    return {
        "n": len(dynamic),
        "auc": area_under_curve([each.freshness.dynamic for each in judged], dynamic),
        "recall": _share(right, sum(dynamic)),
        "precision": _share(right, sum(found)),
        "fpr": _share(sum(found) - right, len(dynamic) - sum(dynamic)),
        "bypass": _rates(bypassed, dynamic),
        "bypass_by_rules": _rates(by_rules, dynamic),
        "ms_per_question": 1000 * fmean(each.seconds for each in judged) if judged else None,
    }


def area_under_curve(scores: Sequence[float], dynamic: Sequence[bool]) -> float | None:
    """Return how often a dynamic question has the higher score than a static one; a draw counts half."""
    ranked = sorted(zip(scores, dynamic, strict=True))
    static_below = wins = 0.0
    place = 0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        here = sum(is_so for _, is_so in ranked[place:end])
        level = end - place - here
        wins += here * (static_below + level / 2)
        static_below += level
        place = end
    pairs = sum(dynamic) * (len(dynamic) - sum(dynamic))
    return wins / pairs if pairs else None


def _rates(chosen: Sequence[bool], dynamic: Sequence[bool]) -> dict[str, float | None]:
    both = sum(is_chosen and is_so for is_chosen, is_so in zip(chosen, dynamic, strict=True))
    return {
        "recall": _share(both, sum(dynamic)),
        "fpr": _share(sum(chosen) - both, len(dynamic) - sum(dynamic)),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
