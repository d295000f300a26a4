"""Revoke an API key."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from tenants.models import ApiKey
from tenants.services import key_revoke


class Command(BaseCommand):
    help = "Revoke an API key for good; every web process refuses it within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("public_id", help="the part of the key between hp_ and the second underscore")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            key = key_revoke(options["public_id"])
        except ApiKey.DoesNotExist as error:
            raise CommandError(f"There is no key {options['public_id']!r}.") from error
        shown = {"public_id": key.public_id, "tenant": key.tenant.slug, "revoked_at": key.revoked_at}
        self.stdout.write(
            orjson.dumps(shown).decode()
            if options["json"]
            else f"Key {key.public_id} of {key.tenant} is revoked."
        )
