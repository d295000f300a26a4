"""Fill a tenant's caches ahead of its callers."""

import asyncio
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analytics.savings import usual_answer_tokens
from analytics.stats import NANO, usd
from gateway import runtime
from gateway.past_questions import find_past, rebuilt
from gateway.runtime import RunningParts
from gateway.warming import BadLine, Bounds, Progress, Wanted, Warmer, read_wanted
from tenants.models import ApiKey, Scope

_TOLD_EVERY_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Ask questions ahead of the callers of an API key, so that the caches know the answers. What is kept "
        "already isn't asked: a run that was broken off is repeated. Counts against no request limit; the cost is "
        "the tenant's."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path,
            help='JSON lines: bodies of /chat ({"prompt"} or {"messages"}, "model", "cache": {"tags"} ...), each '
            'with an optional "answer" that is kept instead of asking',
        )  # fmt: skip
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--key", required=True, metavar="PUBLIC_ID", help="whose policy holds")
        parser.add_argument(
            "--from-records", action="store_true",
            help="instead of a file: ask anew what callers of the key asked for again in the last day and what "
            "turns stale soon, as far as records and entries tell the whole question",
        )  # fmt: skip
        parser.add_argument(
            "--within-hours", type=float, default=24.0, metavar="H", help="with --from-records: what is soon"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would be asked, and its cost"
        )
        parser.add_argument("--max-usd", metavar="USD", help="ask no more when this much is spent")
        parser.add_argument("--rate", type=float, default=2.0, metavar="N", help="questions a second (2)")
        parser.add_argument("--parallel", type=int, default=4, metavar="N", help="questions at a time (4)")
        parser.add_argument(
            "--answer-tokens", type=int, metavar="N",
            help="expected of an answer, for the estimate (the tenant's mean of the last week, or 256)",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        if bool(options["file"]) == options["from_records"]:
            raise CommandError("Give either a file or --from-records.")
        if options["rate"] <= 0 or options["parallel"] < 1:
            raise CommandError("--rate and --parallel must be above 0.")
        run = _Run(
            key=_key(options["tenant"], options["key"]),
            bounds=_bounds(options),
            wanted=_read(options["file"]) if options["file"] else None,
            within=timedelta(hours=options["within_hours"]),
            dry_run=options["dry_run"],
            tell=self.stderr.write,
        )
        progress = asyncio.run(run.go())
        shown = {"dry_run": options["dry_run"], **_shown(progress), "not_rebuilt": run.not_rebuilt}
        self.stdout.write(orjson.dumps(shown).decode() if options["json"] else _text(shown))


@dataclass(kw_only=True)
class _Run:
    key: ApiKey
    bounds: Bounds
    wanted: list[Wanted] | None
    """None: from records."""
    within: timedelta
    dry_run: bool
    tell: Callable[[str], object]
    not_rebuilt: int = 0
    _told_at: float = 0.0

    async def go(self) -> Progress:
        try:
            return await self._go(await runtime.parts())
        finally:
            await runtime.stop()

    async def _go(self, parts: RunningParts) -> Progress:
        caller = await parts.callers.find(self.key.digest)
        if caller is None:
            raise CommandError(f"The key {self.key.public_id} is not valid.")
        warmer = Warmer(caller, parts, self.bounds, on_progress=self._tell)
        wanted = await self._from_records(warmer) if self.wanted is None else self.wanted
        return await (warmer.estimate(wanted) if self.dry_run else warmer.run(wanted))

    async def _from_records(self, warmer: Warmer) -> list[Wanted]:
        now = timezone.now()
        find = sync_to_async(find_past)
        entries, calls = await find(self.key.tenant_id, self.key.public_id, now, now + self.within)
        wanted = rebuilt(entries, calls, warmer.plan)
        self.not_rebuilt = len(entries) - len(wanted)
        return wanted

    def _tell(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TOLD_EVERY_SECONDS:
            self._told_at = now
            self.tell(f"{progress.done} of {progress.questions}, USD {usd(progress.cost_nano)}")


def _key(slug: str, public_id: str) -> ApiKey:
    key = ApiKey.objects.filter(tenant__slug=slug, public_id=public_id).first()
    if key is None:
        raise CommandError(f"Tenant {slug!r} has no key {public_id!r}.")
    if Scope.CHAT not in key.scopes:
        raise CommandError(f"The key {public_id} may not ask questions.")
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise CommandError(f"The key {public_id} has expired.")
    return key


def _bounds(options: dict[str, Any]) -> Bounds:
    tenant_id = ApiKey.objects.values_list("tenant_id", flat=True).get(public_id=options["key"])
    usual = options["answer_tokens"] or usual_answer_tokens(tenant_id, timezone.now())
    return Bounds(
        per_second=options["rate"],
        parallel=options["parallel"],
        max_nano=_nano(options["max_usd"]) if options["max_usd"] else None,
        **({"answer_tokens": usual} if usual else {}),
    )


def _nano(amount: str) -> int:
    try:
        return int(Decimal(amount) * NANO)
    except InvalidOperation:
        raise CommandError("--max-usd must be an amount.") from None


def _read(path: Path) -> list[Wanted]:
    try:
        with path.open("rb") as lines:
            return list(read_wanted(lines))
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error
    except BadLine as error:
        raise CommandError(str(error)) from error


def _shown(progress: Progress) -> dict[str, Any]:
    endings = {
        name: progress.endings[name] for name in ("asked", "given", "kept", "not_kept", "refused", "failed")
    }
    return {
        "questions": progress.questions,
        **endings,
        "left": progress.questions - progress.done,
        "stopped": progress.stopped,
        "reasons": dict(progress.reasons),
        "input_tokens": progress.input_tokens,
        "output_tokens": progress.output_tokens,
        "cost_usd": usd(progress.cost_nano),
        "unpriced": progress.unpriced,
    }


def _text(shown: dict[str, Any]) -> str:
    asked = "would be asked" if shown["dry_run"] else "asked"
    lines = [
        f"{shown['questions']} questions: {shown['asked']} {asked}, {shown['given']} with a given answer, "
        f"{shown['kept']} kept already, {shown['not_kept']} not kept, {shown['refused']} refused, "
        f"{shown['failed']} failed, {shown['left']} left.",
        f"{shown['input_tokens']} tokens in, {shown['output_tokens']} out, USD {shown['cost_usd']}.",
    ]
    if shown["reasons"]:
        lines.append(", ".join(f"{reason}: {number}" for reason, number in shown["reasons"].items()))
    if shown["not_rebuilt"]:
        lines.append(f"{shown['not_rebuilt']} entries whose whole question isn't on record were left out.")
    if shown["stopped"]:
        lines.append(
            {"budget": "Stopped: the budget is spent.", "upstream": "Stopped: upstream fails."}[
                shown["stopped"]
            ]
        )
    return "\n".join(lines)
