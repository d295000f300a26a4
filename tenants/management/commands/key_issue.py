"""Issue an API key."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from tenants.models import Scope, Tenant
from tenants.services import IssuedKey, key_issue


class Command(BaseCommand):
    help = "Issue an API key for a tenant. The key is printed once and kept nowhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("--label", required=True, help="what the key is for")
        parser.add_argument("--rpm", type=int, help="requests a minute")
        parser.add_argument("--rpd", type=int, help="requests a day")
        parser.add_argument("--models", default="", help="models and aliases it may use, comma-separated")
        parser.add_argument("--scopes", help=f"comma-separated, of: {', '.join(Scope.values)}")
        parser.add_argument("--expires", help="date or time (ISO 8601) from which it is refused")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['slug']!r}.")
        try:
            issued = key_issue(
                tenant,
                label=options["label"],
                scopes=_words(options["scopes"]) if options["scopes"] is not None else None,
                models=_words(options["models"]),
                requests_per_minute=options["rpm"],
                requests_per_day=options["rpd"],
                expires_at=_moment(options["expires"]),
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(_as_json(issued) if options["json"] else _as_text(issued))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        day = parse_date(text)
        moment = datetime(day.year, day.month, day.day) if day else parse_datetime(text)
    except ValueError as error:
        raise CommandError(f"--expires: {error}") from error
    if moment is None:
        raise CommandError("--expires takes a date (2027-01-31) or a time (2027-01-31T12:00:00+00:00).")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _as_json(issued: IssuedKey) -> str:
    row = issued.row
    return orjson.dumps(
        {
            "key": issued.plaintext,
            "public_id": row.public_id,
            "tenant": row.tenant.slug,
            "label": row.label,
            "scopes": row.scopes,
            "models": row.allowed_models,
            "expires_at": row.expires_at,
        }
    ).decode()


def _as_text(issued: IssuedKey) -> str:
    return f"Key {issued.row.public_id} for {issued.row.tenant.slug} (shown once):\n{issued.plaintext}"
