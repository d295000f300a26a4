"""Moves records from the stream in the state Redis to Postgres, until it is told to stop."""

import json
import signal
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from analytics.ingest import Ingest
from analytics.nudges import Nudges


class Command(BaseCommand):
    # It needs neither addresses nor admin pages, and should start while those are broken.
    requires_system_checks = []
    help = "Move request records from the stream to Postgres until SIGTERM (run one or more of these)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print what was done as one object at the end"
        )
        parser.add_argument(
            "--claim-after",
            type=float,
            default=5.0,
            metavar="SECONDS",
            help="when to take over a batch that another process read and did not finish (default: 5)",
        )
        parser.add_argument(
            "--revive-dead",
            action="store_true",
            help="only put the records that were refused back into the stream, then end",
        )

    def handle(self, **options: Any) -> None:
        with Nudges() as nudges:
            ingest = Ingest(on_rows=nudges.give, claim_idle_ms=int(options["claim_after"] * 1000))
            if options["revive_dead"]:
                done = {"revived": ingest.revive_dead()}
            else:
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, lambda *_: ingest.stop())
                ingest.run()
                done = asdict(ingest.counts)
        if options["json"]:
            self.stdout.write(json.dumps(done))
