"""Load the demo tenants."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway import demo_data


class Command(BaseCommand):
    help = "Make the demo's tenants, keys, admin login and providers, if they are missing (development only)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("Demo data is for HALFPENNY_ENV=development only.")
        file = settings.HALFPENNY_HOME / "demo-logins.json"
        logins = demo_data.load(file, settings.DEMO_UPSTREAM_URL)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(logins)))
        else:
            self.stdout.write(
                f"Demo tenants {', '.join(logins.tenants)} are ready; their keys are in {file}."
            )
