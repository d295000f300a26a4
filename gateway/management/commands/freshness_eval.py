"""Measure the freshness score on questions known to depend, or not, on now or on who asks."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from caching.embedder import load_encoder
from gateway.evaluation import Question, prepare
from gateway.labelled_rows import Row, read_rows
from gateway.scene import default_rules
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
        queries = [row["query"] for row in labelled]
        questions = prepare(queries, load_encoder(), default_rules("strict"), bypass=True)
        if options["rows"]:
            rows = [
                {
                    "dynamic": _freshness(each).dynamic,
                    "kind": _freshness(each).kind,
                    "bypass": not each.plan.writes,
                }
                for each in questions
            ]
            options["rows"].write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        layout = 0 if options["json"] else orjson.OPT_INDENT_2
        self.stdout.write(orjson.dumps(summary_of(labelled, questions), option=layout).decode())


def _freshness(question: Question) -> Freshness:
    if question.plan.freshness is None:
        raise AssertionError("a prepared question has its freshness")
    return question.plan.freshness


def summary_of(labelled: Sequence[Row], questions: Sequence[Question]) -> Row:
    """Return the figures; a rate of nothing is None. Bypasses are told apart for dynamic and static questions."""
    dynamic = [bool(row["dynamic"]) for row in labelled]
    found = [_freshness(each).kind != "static" for each in questions]
    bypassed = [not each.plan.writes for each in questions]
    by_rules = [not each.plan.cacheability.cacheable for each in questions]
    right = sum(is_so and is_found for is_so, is_found in zip(dynamic, found, strict=True))
    return {
        "n": len(dynamic),
        "auc": area_under_curve([_freshness(each).dynamic for each in questions], dynamic),
        "recall": _share(right, sum(dynamic)),
        "precision": _share(right, sum(found)),
        "fpr": _share(sum(found) - right, len(dynamic) - sum(dynamic)),
        "bypass": _rates(bypassed, dynamic),
        "bypass_by_rules": _rates(by_rules, dynamic),
        "ms_per_question": 1000 * fmean(each.seconds for each in questions) if questions else None,
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
