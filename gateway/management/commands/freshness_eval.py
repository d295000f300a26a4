"""Measure the freshness score on questions known to depend, or not, on now or on who asks."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from caching.embedder import load_encoder
from gateway.freshness_figures import judge, summary_of
from gateway.labelled_rows import read_rows


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
