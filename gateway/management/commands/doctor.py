"""Examine everything that a deployment needs."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from gateway.doctor.examining import EXAMINATIONS, examine


class Command(BaseCommand):
    help = "Examine every part of this deployment; say what is wrong and how to mend it. Exit 1 if a part failed."
    # They are one of the examinations: settings that are wrong must not keep the others from being made.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only", action="append", choices=list(EXAMINATIONS), help="examine this alone (may be repeated)"
        )
        parser.add_argument(
            "--timeout", type=float, default=8.0, metavar="SECONDS", help="longest wait for all"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        findings = examine(options["only"] or list(EXAMINATIONS), seconds=options["timeout"])
        failures = [each.name for each in findings if each.state == "failed"]
        if options["json"]:
            shown = {"ok": not failures, "checks": [asdict(each) for each in findings]}
            self.stdout.write(orjson.dumps(shown).decode())
        else:
            self.stdout.write("\n".join(each.line for each in findings))
        if failures:
            raise CommandError(f"failed: {', '.join(failures)}")
