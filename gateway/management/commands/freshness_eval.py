"""Measure the freshness score on questions known to depend, or not, on now or on who asks."""

import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from caching.embedder import TextEncoder, load_encoder
from caching.vectors import Vector, vector_of
from gateway.errors import Refusal
from gateway.labelled_rows import Row, read_rows
from gateway.planning import Plan, plan_call
from gateway.scene import Scene, default_rules, default_scene
from gateway.schemas import ChatRequest
from routing.freshness import Freshness


class Command(BaseCommand):
    help = (
        "Measure the freshness score and the rules before it on a file of JSON lines (plain or .gz), with default "
        "cache rules and the embedder of the settings. A question counts as found if its kind isn't static: "
        "recall, precision and fpr are of that. `bypass` tells whether nothing would be kept of its answer. Needs "
        "no running service."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data", type=Path, metavar="FILE", required=True, help='rows {"query", "dynamic": 0 or 1}'
        )
        parser.add_argument("--rows", type=Path, metavar="FILE", help="write one JSON line per input row")
        parser.add_argument("--json", action="store_true", help="print the summary on one line")

    def handle(self, *_: Any, **options: Any) -> None:
        labelled = read_rows(options["data"], {"query": str, "dynamic": int})
        judged = judge([row["query"] for row in labelled], load_encoder())
        if options["rows"]:
            rows = [
                {
                    "dynamic": each.freshness.dynamic,
                    "kind": each.freshness.kind,
                    "bypass": not each.plan.writes,
                }
                for each in judged
            ]
            options["rows"].write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        layout = 0 if options["json"] else orjson.OPT_INDENT_2
        self.stdout.write(orjson.dumps(summary_of(labelled, judged), option=layout).decode())


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
