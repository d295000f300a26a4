"""Delete a tenant's cached answers."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandError

from caching.exact import CacheUnavailable
from caching.purging import Selection, purge
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Delete a tenant's cached answers from both caches. Without --yes it only counts them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("--all", action="store_true", help="all its answers")
        parser.add_argument("--tag", help="those with this tag")
        parser.add_argument("--model", help="those of this model")
        parser.add_argument("--older-than-s", type=float, metavar="SECONDS", help="those older than this")
        parser.add_argument("--entry", type=UUID, help="the one entry with this id, and its copies")
        parser.add_argument("--key", metavar="PUBLIC_ID", help="those made for this API key")
        parser.add_argument("--scope", metavar="HEX", help="those of this scope (64 hexadecimal digits)")
        parser.add_argument(
            "--prompt",
            metavar="PATTERN",
            help="those whose question holds this text, in any case; * stands for any text",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="only count (the default)")
        what.add_argument("--yes", action="store_true", help="really delete")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['slug']!r}.")
        dry_run = not options["yes"]
        try:
            purged = purge(tenant.pk, _selection(options), dry_run=dry_run)
        except CacheUnavailable as error:
            raise CommandError(f"The cache Redis cannot be asked ({error}); try again.") from error
        shown = {"tenant": tenant.slug, "dry_run": dry_run, **asdict(purged)}
        verb = "would be deleted (add --yes)" if dry_run else "deleted"
        text = f"{purged.entries} entries ({purged.pinned} pinned) and {purged.exact} exact answers {verb}."
        if purged.unsearched:
            text += f" {purged.unsearched} exact answers can't be searched: L2 doesn't hold their questions."
        self.stdout.write(orjson.dumps(shown).decode() if options["json"] else text)


def _selection(options: dict[str, Any]) -> Selection:
    try:
        return Selection(
            everything=options["all"],
            tag=options["tag"],
            model=options["model"],
            older_than_s=options["older_than_s"],
            entries=frozenset([options["entry"]]) if options["entry"] else None,
            key=options["key"],
            scope=bytes.fromhex(options["scope"]) if options["scope"] else None,
            prompt=options["prompt"],
        )
    except ValueError as error:
        raise CommandError(f"{error} (see --help for the conditions).") from error
