"""Train the freshness model from labelled questions, or fit one tenant's cut to its own labels."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from caching.embedder import EmbeddingFailed, TextEncoder, load_encoder
from caching.models import CachePolicy
from gateway.labelled_rows import Row, read_rows
from routing import freshness
from routing.freshness import KINDS, Kind, refit_cut, shipped_model
from routing.freshness_flags import NAMES

#: What files of other evaluations call a question.
_QUESTIONS = ("query", "prompt", "a")
_KIND_OF_RATE: dict[str, Kind | None] = {"never": "static", "slow": "slow", "fast": None}


class Command(BaseCommand):
    help = (
        "Train the freshness model for the embedder of the settings from labelled questions, ordinary ones and "
        "self-written templates, or fit a tenant's own cut to 100 to 300 of its questions. Files are JSON lines, "
        "plain or .gz."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data",
            type=Path,
            nargs="+",
            metavar="FILE",
            required=True,
            help='rows {"query", "dynamic": 0 or 1}, optionally "kind" or "rate" (never, slow, fast)',
        )
        parser.add_argument(
            "--static",
            type=Path,
            nargs="+",
            metavar="FILE",
            default=[],
            help="ordinary questions, mostly static",
        )
        goal = parser.add_mutually_exclusive_group(required=True)
        goal.add_argument("--out", type=Path, metavar="FILE", help="write the model here")
        goal.add_argument("--tenant", metavar="SLUG", help="fit this tenant's freshness cut instead")
        parser.add_argument("--model-version", default="own-1", help="name of the model in its file")
        parser.add_argument(
            "--also",
            nargs="+",
            default=[],
            metavar="EMBEDDER",
            help="embedders whose vectors are as good as the same, such as a quantised build",
        )
        parser.add_argument("--seed", type=int, default=11)
        parser.add_argument(
            "--most-false-alarms",
            type=float,
            default=0.1,
            metavar="SHARE",
            help="of the tenant's static questions that may count as dynamic",
        )
        parser.add_argument("--dry-run", action="store_true", help="show the tenant's cut, don't set it")
        parser.add_argument("--json", action="store_true", help="print the result on one line")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            result = _fit_cut(options) if options["tenant"] else _train(options)
        except EmbeddingFailed as error:
            raise CommandError(str(error)) from error
        layout = 0 if options["json"] else orjson.OPT_INDENT_2
        self.stdout.write(orjson.dumps(result, option=layout).decode())


def _train(options: dict[str, Any]) -> Row:
    """Write the model and return its card."""
    from gateway import freshness_training as training  # noqa: PLC0415 (scikit-learn comes with the worker only)

    encoder = load_encoder()
    seed: int = options["seed"]
    sets = [
        training.encoded(
            path.name.split(".")[0],
            [
                training.Example(query=query, dynamic=dynamic, kind=kind)
                for query, dynamic, kind in (_labelled(path) if labelled else _ordinary(path))
            ],
            encoder,
            ordinary=not labelled,
        )
        for labelled, paths in ((True, options["data"]), (False, options["static"]))
        for path in paths
    ]
    sets.append(training.templates(encoder, seed=seed))
    anchors = training.anchors(encoder)
    with_vector, figures = training.trained(sets, anchors, seed=seed, with_vector=True)
    without_vector, flag_figures = training.trained(sets, anchors, seed=seed, with_vector=False)
    card = {
        "embedder": encoder.embedder_id,
        "seed": seed,
        "data": {
            each.name: {
                "rows": len(each.examples),
                "dynamic": int(each.dynamic.sum()),
                "ordinary": each.ordinary,
            }
            for each in sets
        },
        "with_vector": figures,
        "without_vector": flag_figures,
    }
    model = {
        "format": 1,
        "version": options["model_version"],
        "embedders": [encoder.embedder_id, *options["also"]],
        "dimension": int(anchors.shape[1]),
        "flags": NAMES,
        "card": card,
        "with_vector": with_vector,
        "without_vector": without_vector,
    }
    options["out"].write_bytes(orjson.dumps(model) + b"\n")
    return card


def _labelled(path: Path) -> Iterator[tuple[str, bool, Kind | None]]:
    for row in read_rows(path, {"query": str, "dynamic": int}):
        yield row["query"], bool(row["dynamic"]), _kind_of(row)


def _kind_of(row: Row) -> Kind | None:
    """Return the kind that a row names or implies; None: it may be live or slow."""
    if row.get("kind") in KINDS:
        named: Kind = row["kind"]
        return named
    if row.get("rate") in _KIND_OF_RATE:
        return _KIND_OF_RATE[row["rate"]]
    return "slow" if row["dynamic"] else "static"


def _ordinary(path: Path) -> Iterator[tuple[str, bool, Kind | None]]:
    rows = read_rows(path, {})
    name = next((name for name in _QUESTIONS if rows and isinstance(rows[0].get(name), str)), None)
    if name is None:
        raise CommandError(f"{path}: no row has one of {', '.join(_QUESTIONS)}")
    for query in sorted({str(row[name]) for row in rows}):
        yield query, False, "static"


def _fit_cut(options: dict[str, Any]) -> Row:
    policy = CachePolicy.objects.filter(tenant__slug=options["tenant"]).first()
    if policy is None:
        raise CommandError(f"no tenant {options['tenant']!r}")
    labelled = [row for path in options["data"] for row in _labelled(path)]
    dynamic = [is_so for _, is_so, _ in labelled]
    scores = _scores([query for query, _, _ in labelled], load_encoder())
    try:
        cut = refit_cut(scores, dynamic, most_false_alarms=options["most_false_alarms"])
    except ValueError as error:
        raise CommandError("no static question among the labels") from error
    found = [score >= cut for score in scores]
    if not options["dry_run"]:
        policy.freshness_cut = cut
        policy.save(update_fields=["freshness_cut"])
    return {
        "tenant": options["tenant"],
        "n": len(labelled),
        "cut": cut,
        "shipped_cut": shipped_model().with_vector.cut,
        "recall": _share([each for each, is_so in zip(found, dynamic, strict=True) if is_so]),
        "fpr": _share([each for each, is_so in zip(found, dynamic, strict=True) if not is_so]),
        "set": not options["dry_run"],
    }


def _scores(queries: list[str], encoder: TextEncoder) -> list[float]:
    return [
        freshness.score(query, None if isinstance(row, str) else row.tolist(), encoder.embedder_id).dynamic
        for query, row in zip(queries, encoder.encode(queries), strict=True)
    ]


def _share(found: list[bool]) -> float | None:
    return sum(found) / len(found) if found else None
