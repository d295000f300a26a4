"""Tell what a cache policy would have done with past requests."""

import sys
from argparse import ArgumentParser
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from analytics.stats import usd
from caching.embedder import current_embedder_id, load_encoder
from caching.models import CachePolicy
from caching.policy import CacheRules, SemanticMode
from caching.verifier import verifier_for
from gateway.past_requests import BrokenLog, PastRequest, read_log
from gateway.scene import Scene, default_rules, default_scene, scene_of
from gateway.simulation import Money, Prices, Simulation, WrongShare, simulate
from routing.catalog import Price
from tenants.models import Tenant

_OUTPUT_TOKENS = 250
_SOURCES = {
    "labels": "counted by the rows' classes, or by comparing answers as audits do; exact binomial interval",
    "verifier": "expected by the verifier's probabilities; the interval is that of chance, if they are right",
    "none": "nothing tells: rows without class or answer, and no verifier for this embedder",
}


class Command(BaseCommand):
    help = (
        "Tell what a cache policy would have done with past requests, by the code that serves: hits by layer, "
        "bypasses, wrong hits, money and room. LOG holds JSON lines (plain or .gz): `prompt` or `messages` and "
        "whatever else POST /chat takes; optional are `t` (seconds), `key` (who asked), `tokens` (of the output, "
        'or {"input", "output"}), `answer` and `class` (requests of one class have one answer). Needs no running '
        "service; with --tenant it reads the database."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("log", type=Path, metavar="LOG.jsonl")
        parser.add_argument("--tenant", metavar="SLUG", help="take this tenant's policy, models and prices")
        parser.add_argument(
            "--mode",
            choices=("strict", "balanced", "off"),
            help="of the semantic cache (default: the tenant's, where `shadow` decides as strict; else strict)",
        )
        parser.add_argument("--floor", type=float, metavar="COSINE", help="least similarity, 0.5 to 1")
        parser.add_argument("--ttl", type=int, metavar="SECONDS", help="of every answer that is kept")
        parser.add_argument(
            "--output-tokens",
            type=int,
            default=_OUTPUT_TOKENS,
            metavar="N",
            help=f"of an answer where a row tells neither tokens nor answer (default: {_OUTPUT_TOKENS})",
        )
        parser.add_argument(
            "--price",
            type=Decimal,
            nargs=2,
            metavar=("INPUT", "OUTPUT"),
            help="USD per million tokens, instead of the catalogue's",
        )
        parser.add_argument(
            "--embedding-price",
            type=float,
            default=0.0,
            metavar="USD",
            help="per million tokens embedded (default: 0, a worker of one's own)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            requests = read_log(options["log"], output_tokens=options["output_tokens"])
        except BrokenLog as error:
            raise CommandError(str(error)) from error
        tenant = _tenant(options["tenant"])
        scene = _scene(tenant, requests, options)
        found = simulate(
            requests,
            scene,
            load_encoder(),
            verifier_for(current_embedder_id()),
            _prices(tenant, scene.rules, options["embedding_price"]),
            memory_s=settings.MEMORY_CACHE_SECONDS,
            progress=self._tell_of(len(requests)),
        )
        shown = _shown(found, scene.rules)
        self.stdout.write(orjson.dumps(shown).decode() if options["json"] else _table(found, scene.rules))

    def _tell_of(self, total: int) -> Any:
        """Return what shows progress on a terminal's standard error."""
        shows = sys.stderr.isatty()

        def told(done: int) -> None:
            if shows and (done % 500 == 0 or done == total):
                self.stderr.write(f"\r{done} of {total}", ending="\n" if done == total else "")

        return told


def _tenant(slug: str | None) -> Tenant | None:
    if slug is None:
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}.")
    return tenant


def _scene(tenant: Tenant | None, requests: list[PastRequest], options: dict[str, Any]) -> Scene:
    models = {request.question.model for request in requests}
    scene = scene_of(tenant) if tenant else default_scene(default_rules("strict"), models)
    scene = replace(scene, rules=_rules(scene.rules, options))
    return _priced(scene, options["price"]) if options["price"] else scene


def _rules(rules: CacheRules, options: dict[str, Any]) -> CacheRules:
    mode: SemanticMode = options["mode"] or (
        "strict" if rules.semantic_mode == "shadow" else rules.semantic_mode
    )
    rules = replace(rules, semantic_mode=mode, semantic_enabled=True)
    if (floor := options["floor"]) is not None:
        if not 0.5 <= floor <= 1.0:
            raise CommandError("--floor is a cosine from 0.5 to 1.")
        rules = replace(rules, floor=floor, balanced_floor=floor, tuned_floor=None)
    if (ttl := options["ttl"]) is not None:
        if ttl <= 0:
            raise CommandError("--ttl is a number of seconds above 0.")
        rules = replace(rules, ttl_seconds=ttl, static_ttl_seconds=ttl)
    return rules


def _priced(scene: Scene, prices: tuple[Decimal, Decimal]) -> Scene:
    given, taken = (int(price * 1_000_000) for price in prices)
    price = Price(
        effective_from=0.0,
        input_pico=given,
        output_pico=taken,
        cache_read_pico=given,
        cache_write_pico=given,
    )
    targets = tuple(replace(target, prices=(price,)) for target in scene.catalog.targets)
    return replace(scene, catalog=replace(scene.catalog, targets=targets))


def _prices(tenant: Tenant | None, rules: CacheRules, embedding_usd: float) -> Prices:
    policy = CachePolicy.objects.filter(tenant=tenant).first() if tenant else None
    return Prices(
        embedding_usd=embedding_usd,
        audit_budget_usd=float((policy or CachePolicy()).audit_budget_usd),
        audits=rules.audits_enabled,
    )


def _shown(found: Simulation, rules: CacheRules) -> dict[str, Any]:
    """Return the object that `--json` prints: counts, shares as numbers, money as decimal strings."""
    hits = found.hits_memory + found.hits_exact + found.hits_semantic
    return {
        "policy": _policy(rules),
        **{name: value for name, value in asdict(found).items() if name != "money"},
        "hit_rate": hits / found.requests,
        "money": _usd(found.money) if found.money else None,
    }


def _policy(rules: CacheRules) -> dict[str, Any]:
    return {
        "mode": rules.semantic_mode,
        "floor": rules.least_similarity,
        "ttl_seconds": rules.ttl_seconds,
        "sharing": rules.sharing,
        "verifier": verifier.version if (verifier := verifier_for(current_embedder_id())) else None,
    }


def _usd(money: Money) -> dict[str, str]:
    return {
        "cost_usd": usd(money.cost),
        "saved_usd": usd(money.saved),
        "embedding_usd": usd(money.embedding),
        "audits_usd": usd(money.audits),
        "net_usd": usd(money.net),
    }


def _table(found: Simulation, rules: CacheRules) -> str:
    total, policy = found.requests, _policy(rules)
    lines = [
        f"{total} requests, mode {policy['mode']}, floor {policy['floor']:.3f}, "
        f"verifier {policy['verifier'] or '- (nothing would be served before there is one)'}",
        "",
        _line("hits out of memory (L0)", found.hits_memory, total),
        _line("exact hits (L1)", found.hits_exact, total),
        _line("semantic hits (L2)", found.hits_semantic, total),
        *_reasons("misses", found.misses, total),
        *_reasons("bypassed", found.bypassed, total),
        *_reasons("refused", found.refused, total),
        "",
        f"wrong semantic hits: {_wrong(found.wrong)}",
    ]
    if found.wrong_exact.source == "labels":
        lines.append(f"wrong exact hits: {_wrong(found.wrong_exact)}")
    return "\n".join([*lines, "", *_money(found.money), *_room(found, rules)])


def _line(name: str, count: int, total: int) -> str:
    return f"{name:<28}{count:>9}  {count / total:>6.1%}"


def _reasons(name: str, counts: dict[str, int], total: int) -> list[str]:
    every = _line(name, sum(counts.values()), total)
    return [every, *(_line(f"  {reason}", count, total) for reason, count in counts.items())]


def _wrong(wrong: WrongShare) -> str:
    if wrong.share is None:
        return f"unknown of {wrong.hits}" + (f" ({_SOURCES['none']})" if wrong.hits else "")
    unsure = f"; of {wrong.unsure} more it can't be told" if wrong.unsure else ""
    return (
        f"{wrong.wrong:.1f} of {wrong.hits}: {wrong.share:.1%}, 95 % interval {wrong.low:.1%} to {wrong.high:.1%} "
        f"({_SOURCES[wrong.source]}{unsure})"
    )


def _money(money: Money | None) -> list[str]:
    if money is None:
        return ["money: unknown (no price for some model: give --tenant or --price)"]
    shown = _usd(money)
    return [
        f"saved {shown['saved_usd']} USD, less embedding {shown['embedding_usd']} and audits "
        f"{shown['audits_usd']}: net {shown['net_usd']}; still paid upstream {shown['cost_usd']}"
    ]


def _room(found: Simulation, rules: CacheRules) -> list[str]:
    room = found.room
    lines = [
        f"at the fullest: {room.entries} entries in L2, about {room.entry_bytes / 1e6:.1f} MB; "
        f"{room.exact_answers} answers in L1, about {room.exact_bytes / 1e6:.1f} MB"
    ]
    if room.entries > rules.max_entries or room.entry_bytes > rules.max_bytes:
        lines.append("that is more than the policy's caps: some would be evicted, and fewer be hit")
    if found.span_s is None:
        lines.append("the log tells no times (`t`): nothing expired")
    return lines
