"""Measure what the caches would serve of labelled pairs or of a stream of questions."""

from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from caching.cross_encoder import load_cross_encoder
from caching.embedder import current_embedder_id, load_encoder
from caching.policy import SemanticMode
from caching.verifier import verifier_for
from gateway.evaluation import Verdict, ask_pairs, ask_stream
from gateway.labelled_rows import Row, read_rows
from gateway.scene import default_rules


class Command(BaseCommand):
    help = (
        "Measure the decision that serves requests on a file of JSON lines (plain or .gz), with default cache "
        "rules and the embedder of the settings. Needs no running service."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "--pairs", type=Path, metavar="FILE", help='rows {"a", "b", "same"}: does an entry of a serve b?'
        )
        source.add_argument(
            "--stream", type=Path, metavar="FILE", help='rows {"query", "class"}, asked of a first-come cache'
        )
        parser.add_argument("--mode", choices=("strict", "balanced"), default="strict")
        parser.add_argument(
            "--no-bypass",
            action="store_true",
            help="leave the cacheability step out: the match decision alone",
        )
        parser.add_argument("--rows", type=Path, metavar="FILE", help="write one JSON line per input row")
        parser.add_argument("--json", action="store_true", help="print the summary on one line")

    def handle(self, *_: Any, **options: Any) -> None:
        measure = _measure_pairs if options["pairs"] else _measure_stream
        rows, summary = measure(
            options["pairs"] or options["stream"], mode=options["mode"], bypass=not options["no_bypass"]
        )
        if options["rows"]:
            options["rows"].write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        layout = 0 if options["json"] else orjson.OPT_INDENT_2
        self.stdout.write(orjson.dumps(summary, option=layout).decode())


def _measure_pairs(path: Path, *, mode: SemanticMode, bypass: bool) -> tuple[list[Row], Row]:
    labelled = read_rows(path, {"a": str, "b": str, "same": int})
    pairs = [(row["a"], row["b"]) for row in labelled]
    verdicts = ask_pairs(
        pairs,
        load_encoder(),
        default_rules(mode),
        bypass=bypass,
        verifier=load_cross_encoder() or verifier_for(current_embedder_id()),
    )
    rows = [
        {"hit": each.hit, "similarity": each.similarity, "score": each.score, "reason": each.reason}
        for each in verdicts
    ]
    return list(rows), summary_of_pairs(labelled, verdicts)


def _measure_stream(path: Path, *, mode: SemanticMode, bypass: bool) -> tuple[list[Row], Row]:
    labelled = read_rows(path, {"query": str, "class": object})
    queries = [row["query"] for row in labelled]
    verdicts = ask_stream(
        queries,
        load_encoder(),
        default_rules(mode),
        bypass=bypass,
        verifier=load_cross_encoder() or verifier_for(current_embedder_id()),
    )
    rows = [
        {"hit": each.hit, "of": each.of, "similarity": each.similarity, "reason": each.reason}
        for each in verdicts
    ]
    return list(rows), summary_of_stream([row["class"] for row in labelled], verdicts)


def summary_of_pairs(labelled: Sequence[Row], verdicts: Sequence[Verdict]) -> Row:
    """Return the figures of pairs (`same`: whether the answer to one serves the other), also by `kind`."""
    by_kind: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for row, verdict in zip(labelled, verdicts, strict=True):
        by_kind[row.get("kind", "")].append((bool(row["same"]), verdict.hit))
    every = [outcome for outcomes in by_kind.values() for outcome in outcomes]
    return {
        **_rates(every),
        "by_kind": {kind: _rates(outcomes) for kind, outcomes in sorted(by_kind.items()) if kind},
        "ms_per_decision": _milliseconds(verdicts),
    }


def summary_of_stream(classes: Sequence[object], verdicts: Sequence[Verdict]) -> Row:
    """Return the figures of a stream; a hit is wrong if it serves the answer of another class."""
    hits = sum(verdict.hit for verdict in verdicts)
    wrong = sum(
        verdict.of is not None and classes[verdict.of] != asked
        for asked, verdict in zip(classes, verdicts, strict=True)
    )
    return {
        "n": len(verdicts),
        "hits": hits,
        "wrong": wrong,
        "bypassed": sum(verdict.bypassed for verdict in verdicts),
        "hit_rate": _share(hits, len(verdicts)),
        "wrong_hit_share": _share(wrong, hits),
        "wrong_served_rate": _share(wrong, len(verdicts)),
        "ms_per_decision": _milliseconds(verdicts),
    }


def _rates(outcomes: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """Return the rates of (same, hit) outcomes; a rate of nothing is None."""
    same = sum(is_same for is_same, _ in outcomes)
    hits = sum(hit for _, hit in outcomes)
    right = sum(is_same and hit for is_same, hit in outcomes)
    return {
        "n": len(outcomes),
        "same": same,
        "hits": hits,
        "precision": _share(right, hits),
        "recall": _share(right, same),
        "false_hit_rate": _share(hits - right, len(outcomes) - same),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _milliseconds(verdicts: Sequence[Verdict]) -> float | None:
    return 1000 * fmean(verdict.seconds for verdict in verdicts) if verdicts else None
