"""Measure what each guard refuses of true paraphrases, and what it catches of other questions."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand

from caching.embedder import TextEncoder, load_encoder
from gateway.guard_figures import Rates, guard_costs
from gateway.labelled_rows import Row, read_rows


class Command(BaseCommand):
    help = (
        "Measure each guard on labelled pairs (JSON lines, plain or .gz) that are as similar as the floor asks "
        "for: the share of `same` pairs that it refuses, and of others that it catches. Needs no running service."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--pairs", type=Path, metavar="FILE", required=True, help='rows {"a", "b", "same"}'
        )
        parser.add_argument("--floor", type=float, default=0.8, help="least cosine of the pairs that count")
        parser.add_argument("--json", action="store_true", help="print one object instead of a table")

    def handle(self, *_: Any, **options: Any) -> None:
        rows = read_rows(options["pairs"], {"a": str, "b": str, "same": int})
        near = _near(rows, load_encoder(), options["floor"])
        summary = {"floor": options["floor"], **guard_costs(near)}
        self.stdout.write(orjson.dumps(summary).decode() if options["json"] else _table(summary))


def _near(rows: Sequence[Row], encoder: TextEncoder, floor: float) -> list[Row]:
    """Return the rows whose two texts are that similar; texts that have no vector are left out."""
    texts = list(dict.fromkeys(row[side] for row in rows for side in ("a", "b")))
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))
    near = []
    for row in rows:
        ours, theirs = vectors[row["a"]], vectors[row["b"]]
        if not isinstance(ours, str) and not isinstance(theirs, str) and float(ours @ theirs) >= floor:
            near.append(row)
    return near


def _table(summary: Mapping[str, Any]) -> str:
    head = f"| guard | refused of {summary['same']} same | caught of {summary['different']} different |"
    lines = [
        f"| {name} | {_shown(rates, 'refused')} | {_shown(rates, 'caught')} |"
        for name, rates in summary["guards"].items()
    ]
    return "\n".join((head, "|---|---:|---:|", *lines))


def _shown(rates: Rates, name: str) -> str:
    share = rates[name]
    return "-" if share is None else f"{100 * share:.1f} %"
