"""Create a tenant."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from tenants.services import tenant_create


class Command(BaseCommand):
    help = "Create a tenant. Its keys are issued with key_issue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="short name in addresses: lower-case letters, digits, dashes")
        parser.add_argument("--name", default="", help="name for people")
        parser.add_argument("--rpm", type=int, help="requests a minute of all its keys together")
        parser.add_argument("--rpd", type=int, help="requests a day of all its keys together")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            tenant = tenant_create(
                options["slug"],
                name=options["name"],
                requests_per_minute=options["rpm"],
                requests_per_day=options["rpd"],
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        shown = {"id": tenant.pk, "slug": tenant.slug, "name": tenant.name}
        self.stdout.write(
            orjson.dumps(shown).decode() if options["json"] else f"Tenant {tenant.slug} created."
        )
