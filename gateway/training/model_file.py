"""Writes a verifier's model file and the card that says what it was made of."""

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from caching.verifier import FORMAT, ServingMode
from caching.verifier_features import FEATURES
from gateway.training.held_out import Rates
from gateway.training.limits import Calibration
from gateway.training.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A table of the card: rates at each mode's limit."""

    title: str
    rows: Sequence[tuple[Rates, Rates]] = field(default_factory=list)
    """Strict, balanced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """All that a training run found."""

    version: str
    embedder_id: str
    lexicon: str
    trees: Mapping[str, Any]
    calibration: Calibration
    limits: Mapping[ServingMode, float]
    seed: int
    made: date
    sources: Sequence[str]
    """File names and what their licences are, where known."""
    rows: Sequence[Row]
    sections: Sequence[Section]


def write_model(path: Path, trained: Trained) -> Path:
    """Write the model file, and its card beside it. Returns the card's path. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(orjson.dumps(_model(trained)), 9, mtime=0))
    card = path.with_name(path.name.removesuffix(".json.gz") + ".card.md")
    card.write_text(_card(trained), "utf-8")
    return card


def _model(trained: Trained) -> dict[str, Any]:
    calibration = trained.calibration
    return {
        "format": FORMAT,
        "version": trained.version,
        "embedder": trained.embedder_id,
        "lexicon": trained.lexicon,
        "features": list(FEATURES),
        "trees": trained.trees,
        "slope": calibration.slope,
        "shift": calibration.shift,
        "wariness": {"below": calibration.wariness.below, "rate": calibration.wariness.rate},
        "limits": dict(trained.limits),
    }


def _card(trained: Trained) -> str:
    return "\n".join([*_head(trained), *_data(trained.rows), *_figures(trained.sections)]) + "\n"


def _head(trained: Trained) -> Iterable[str]:
    limits = ", ".join(f"{mode} {limit:.3f}" for mode, limit in trained.limits.items())
    yield f"# Verifier {trained.version} for `{trained.embedder_id}`"
    yield ""
    yield f"Made {trained.made.isoformat()} by `manage.py verifier_train`, seed {trained.seed}."
    count = len(trained.trees["roots"])
    yield f"{count} gradient-boosted trees on {len(FEATURES)} features; lexicon `{trained.lexicon}`."
    yield f"A mode serves from this score on: {limits}. English only."
    yield ""
    yield "What it was made from. No text of these is in the file, which holds thresholds and weights alone:"
    yield ""
    yield from (f"- {source}" for source in trained.sources)
    yield ""


def _data(rows: Sequence[Row]) -> Iterable[str]:
    counts = Counter((row.family, row.same) for row in rows)
    yield "| family | rows | same |"
    yield "|---|---|---|"
    for family in sorted({family for family, _ in counts}):
        same = counts[family, True]
        yield f"| {family} | {same + counts[family, False]} | {same} |"
    yield ""


def _figures(sections: Sequence[Section]) -> Iterable[str]:
    yield "Figures of trees that never saw the rows, of pairs near enough to be looked at and with all guards on:"
    yield "false hits (served though not the same) and recall (served of the same), strict and balanced."
    for section in sections:
        yield ""
        yield f"## {section.title}"
        yield ""
        yield "| left out | rows | false hits | recall | false hits, balanced | recall, balanced |"
        yield "|---|---|---|---|---|---|"
        for strict, balanced in section.rows:
            yield (
                f"| {strict.name} | {strict.rows} | {_share(strict.false_hit_rate, strict.rows - strict.same)} | "
                f"{_share(strict.recall, strict.same)} | "
                f"{_share(balanced.false_hit_rate, balanced.rows - balanced.same)} | "
                f"{_share(balanced.recall, balanced.same)} |"
            )


def _share(share: float, of: int) -> str:
    return f"{share:.3f}" if of else "-"
