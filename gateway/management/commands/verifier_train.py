"""Train the verifier of the settings' embedder."""

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from caching.embedder import TextEncoder, load_encoder
from caching.models import JudgedPair
from caching.verifier import Wariness, file_name, load_verifier, shipped_lexicon
from gateway.scene import default_rules
from gateway.training.figures import Table, table_of
from gateway.training.held_out import Rates, in_folds, rates, without_family, without_kinds
from gateway.training.limits import Calibration, calibrate, choose_limits
from gateway.training.model_file import Section, Trained, write_model
from gateway.training.rows import Row, edits_of, embed, family_of, labelled_pairs, stream_pairs, templates
from gateway.training.trees import Shape, fit_trees, written_trees
from tenants.models import Tenant

#: From measurements on streams: there a neighbour of .80 is wrong more often than a labelled pair of .80.
_WARINESS = Wariness(below=0.86, rate=45.0)
_LEAST_PAIRS = 50


class Command(BaseCommand):
    help = (
        "Train the verifier of the settings' embedder from labelled pairs, neighbours in streams, edits of texts "
        "and a tenant's own verdicts; print what it does on rows, families and kinds of edits that it has not "
        "seen; write the model file and its card. The same input and seed give the same file. Put the file into "
        "VERIFIER_DIR and restart the web processes."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pairs", type=Path, nargs="*", default=[], help='rows {"a", "b", "same"}')
        parser.add_argument("--streams", type=Path, nargs="*", default=[], help='rows {"query", "class"}')
        parser.add_argument(
            "--texts", type=Path, nargs="*", default=[],
            help="questions and word problems to edit: rows with text, prompt, query or a",
        )  # fmt: skip
        parser.add_argument("--tenant", help="slug: its judged pairs are added (read from the database)")
        parser.add_argument("--out", type=Path, required=True, help="a folder, or the file")
        parser.add_argument("--name", help="the model's version (default: today and the seed)")
        parser.add_argument(
            "--source", action="append", default=[], help="a line for the card: data and licence"
        )
        parser.add_argument("--most-texts", type=int, default=1500, help="edited per file")
        parser.add_argument("--templates", type=int, default=110, help="times that each template is filled")
        parser.add_argument("--trees", type=int, default=Shape().trees)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument(
            "--quick", action="store_true", help="leave out the trees without a family or a kind of edit"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        encoder = load_encoder()
        shape = Shape(trees=options["trees"])
        rows = list(_gathered(options, encoder))
        if len(rows) < _LEAST_PAIRS or len({row.same for row in rows}) < 2:
            raise CommandError(
                f"at least {_LEAST_PAIRS} pairs of both labels are needed, {len(rows)} were given"
            )
        embedded = embed((text for row in rows for text in (row.a, row.b)), encoder)
        table = table_of(rows, embedded, shipped_lexicon(), default_rules("strict"))
        trained = _train(table, rows, encoder.embedder_id, shape, options)
        for section in trained.sections:
            self._print(section)
        path = options["out"]
        path = path if path.name.endswith(".json.gz") else path / file_name(encoder.embedder_id)
        card = write_model(path, trained)
        load_verifier(path, encoder.embedder_id)
        self.stdout.write(f"limits {dict(trained.limits)}; wrote {path} and {card}")

    def _print(self, section: Section) -> None:
        self.stdout.write(section.title)
        for strict, balanced in section.rows:
            self.stdout.write(
                f"  {strict.name:32} n {strict.rows:5}  strict {strict.false_hit_rate:.3f}/{strict.recall:.3f}  "
                f"balanced {balanced.false_hit_rate:.3f}/{balanced.recall:.3f}"
            )


def _gathered(options: dict[str, Any], encoder: TextEncoder) -> Iterator[Row]:
    rng = Random(options["seed"])  # noqa: S311 (edits, not secrets)
    for path in options["pairs"]:
        yield from labelled_pairs(path)
    for path in options["streams"]:
        yield from stream_pairs(path, encoder)
    for path in options["texts"]:
        yield from edits_of(path, rng, most=options["most_texts"])
    yield from templates(rng, count=options["templates"])
    if options["tenant"]:
        yield from _verdicts(options["tenant"], encoder.embedder_id)


def _verdicts(slug: str, embedder_id: str) -> Iterable[Row]:
    """Return a tenant's judged pairs whose texts are still kept."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"there is no tenant {slug!r}")
    labels = (JudgedPair.Label.SAME, JudgedPair.Label.DIFFERENT)
    judged = JudgedPair.objects.filter(tenant=tenant, embedder_id=embedder_id, label__in=labels)
    return [
        Row(
            family="verdicts", kind="", a=pair.stored_question, b=pair.question,
            same=pair.label == JudgedPair.Label.SAME,
        )
        for pair in judged.exclude(question="").exclude(stored_question="").order_by("id")
    ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judge:
    """Tells what each mode would serve of held-out rows."""

    table: Table
    calibration: Calibration
    strict: float
    balanced: float

    def rates(
        self, name: str, rows: "npt.NDArray[np.int64]", raw: "npt.NDArray[np.float64]"
    ) -> tuple[Rates, Rates]:
        probability = self.calibration.probabilities(raw, self.table.similarity[rows])
        strict = rates(name, self.table, rows, probability >= self.strict)
        return strict, rates(name, self.table, rows, probability >= self.balanced)


def _train(table: Table, rows: list[Row], embedder_id: str, shape: Shape, options: dict[str, Any]) -> Trained:
    seed = options["seed"]
    raw = in_folds(table, shape=shape, seed=seed)
    calibration = calibrate(table, raw, _WARINESS)
    streams = frozenset(map(family_of, options["streams"]))
    limits = choose_limits(table, calibration.probabilities(raw, table.similarity), streams)
    judge = _Judge(table=table, calibration=calibration, strict=limits["strict"], balanced=limits["balanced"])
    model = fit_trees(table.figures, table.same, table.weight, shape=shape, seed=seed)
    today = timezone.now().date()
    return Trained(
        version=options["name"] or f"{today.isoformat()}.{seed}",
        embedder_id=embedder_id,
        lexicon=shipped_lexicon().version,
        trees=written_trees(model),
        calibration=calibration,
        limits=limits,
        seed=seed,
        made=today,
        sources=options["source"] or [family_of(path) for path in _files(options)],
        rows=rows,
        sections=list(_sections(judge, raw, shape, options)),
    )


def _files(options: dict[str, Any]) -> list[Path]:
    return list(dict.fromkeys([*options["pairs"], *options["streams"], *options["texts"]]))


def _sections(
    judge: _Judge, raw: "npt.NDArray[np.float64]", shape: Shape, options: dict[str, Any]
) -> Iterator[Section]:
    table = judge.table
    families = {name: np.flatnonzero(table.family == name) for name in sorted(set(table.family.tolist()))}
    yield Section(
        title="Folds by question",
        rows=[judge.rates(name, rows, raw[rows]) for name, rows in families.items()],
    )
    if options["quick"]:
        return
    seed = options["seed"]
    found = without_family(table, shape=shape, seed=seed)
    yield Section(
        title="Whole families left out",
        rows=[judge.rates(name, rows, scored) for name, rows, scored in found],
    )
    scored = without_kinds(table, shape=shape, seed=seed)
    kinds = {
        name: np.flatnonzero((table.kind == name) & ~np.isnan(scored))
        for name in sorted(set(table.kind.tolist()))
    }
    yield Section(
        title="Whole kinds of edits left out",
        rows=[judge.rates(name, rows, scored[rows]) for name, rows in kinds.items() if len(rows)],
    )
