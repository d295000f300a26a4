"""Measure what the caches would serve of labelled pairs or of a stream of questions."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from caching.policy import CacheRules
from gateway.evaluation import Verdict
from gateway.labelled_rows import read_rows
from gateway.measuring import PAIR_FIELDS, STREAM_FIELDS, Bench, summary_of_pairs, summary_of_stream
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
        parser.add_argument(
            "--curve",
            action="store_true",
            help="add points over thresholds, of the verifier's score and of plain cosine (streams: minutes)",
        )
        parser.add_argument("--rows", type=Path, metavar="FILE", help="write one JSON line per input row")
        parser.add_argument("--json", action="store_true", help="print the summary on one line")

    def handle(self, *_: Any, **options: Any) -> None:
        measure = _measure_pairs if options["pairs"] else _measure_stream
        verdicts, summary = measure(
            options["pairs"] or options["stream"],
            default_rules(options["mode"]),
            bypass=not options["no_bypass"],
            curve=options["curve"],
        )
        if options["rows"]:
            fields = _PAIR_ROW if options["pairs"] else _STREAM_ROW
            options["rows"].write_bytes(_lines(verdicts, fields))
        layout = 0 if options["json"] else orjson.OPT_INDENT_2
        self.stdout.write(orjson.dumps(summary, option=layout).decode())


_PAIR_ROW = ("hit", "similarity", "score", "reason")
_STREAM_ROW = ("hit", "of", "similarity", "reason")


def _lines(verdicts: Sequence[Verdict], fields: Sequence[str]) -> bytes:
    return b"".join(orjson.dumps({name: getattr(each, name) for name in fields}) + b"\n" for each in verdicts)


def _measure_pairs(
    path: Path, rules: CacheRules, *, bypass: bool, curve: bool
) -> tuple[list[Verdict], dict[str, Any]]:
    rows, bench = read_rows(path, PAIR_FIELDS), Bench.of_settings()
    verdicts = bench.ask_pairs(bench.pairs(rows, rules, bypass=bypass))
    summary = summary_of_pairs(rows, verdicts)
    return verdicts, summary | ({"curve": bench.curve_of_pairs(rows, rules, verdicts)} if curve else {})


def _measure_stream(
    path: Path, rules: CacheRules, *, bypass: bool, curve: bool
) -> tuple[list[Verdict], dict[str, Any]]:
    rows, bench = read_rows(path, STREAM_FIELDS), Bench.of_settings()
    questions = bench.stream(rows, rules, bypass=bypass)
    verdicts = bench.ask_stream(questions)
    summary = summary_of_stream([row["class"] for row in rows], verdicts)
    return verdicts, summary | ({"curve": bench.curve_of_stream(rows, rules, questions)} if curve else {})
