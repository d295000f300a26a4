"""Show what the caches hold."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from caching.selectors import cache_stats
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Show what the caches hold, of one tenant or of all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="only this tenant")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        slug = options["tenant"]
        shown = {"tenant": slug, **asdict(cache_stats(_tenant_id(slug) if slug else None))}
        if options["json"]:
            self.stdout.write(orjson.dumps(shown).decode())
            return
        for name, value in shown.items():
            self.stdout.write(f"{name}: {'-' if value is None else value}")


def _tenant_id(slug: str) -> int:
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}.")
    return tenant.pk
