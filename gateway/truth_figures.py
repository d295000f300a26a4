"""Everything that docs/cache-truth.md tells in figures, measured on a folder of labelled files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from caching.policy import CacheRules, SemanticMode
from gateway.evaluation import Question, Verdict
from gateway.freshness_figures import judge
from gateway.freshness_figures import summary_of as summary_of_freshness
from gateway.guard_figures import guard_costs
from gateway.labelled_rows import Row, read_rows
from gateway.measuring import PAIR_FIELDS, STREAM_FIELDS, Bench, summary_of_pairs, summary_of_stream
from gateway.scene import default_rules

MODES: tuple[SemanticMode, ...] = ("strict", "balanced")
#: The similarity from which guards are counted: below it they have nothing to say.
GUARDED_FROM = 0.80
_DYNAMIC_FIELDS: Mapping[str, type] = {"query": str, "dynamic": int}

Figures = dict[str, Any]


def measure(folder: Path, bench: Bench, tell: Callable[[str], None]) -> Figures:
    """Return the figures of all `*pairs_*`, `*stream_*` and `*dynamic_*` files. tell: of what is being done.

    Raises CommandError for a file that isn't what its name says.
    """
    measures = {"pairs": _pairs, "stream": _stream, "dynamic": _dynamic}
    figures: Figures = {"embedder": bench.encoder.embedder_id, "verifier": None}
    figures["verifier"] = bench.verifier.version if bench.verifier else None
    for kind, measured in measures.items():
        figures[kind] = {}
        for path in sorted(folder.glob(f"*{kind}_*.jsonl*")):
            tell(path.name)
            figures[kind][_name(path, kind)] = measured(path, bench)
    return figures


def _name(path: Path, kind: str) -> str:
    return path.name.split(".jsonl")[0].split(f"{kind}_", 1)[1]


def _pairs(path: Path, bench: Bench) -> Figures:
    rows = read_rows(path, PAIR_FIELDS)
    rules = {mode: default_rules(mode) for mode in MODES}
    planned = bench.pairs(rows, rules["strict"], bypass=False)
    judged = bench.pairs(rows, rules["strict"], bypass=True)
    verdicts = {mode: bench.ask_pairs(_pairs_under(planned, rules[mode])) for mode in MODES}
    curve = bench.curve_of_pairs(rows, rules["strict"], verdicts["strict"])
    near = [row for row, (a, b) in zip(rows, planned, strict=True) if _similarity(a, b) >= GUARDED_FROM]
    return {
        "alone": {mode: summary_of_pairs(rows, verdicts[mode]) for mode in MODES},
        "whole": {
            mode: summary_of_pairs(rows, bench.ask_pairs(_pairs_under(judged, rules[mode]))) for mode in MODES
        },
        "cosine_by_kind": _cosine_by_kind(rows, planned),
        "curve": curve,
        "guards": guard_costs(near),
    }


def _similarity(a: Question, b: Question) -> float:
    return 0.0 if a.vector is None or b.vector is None else float(a.vector @ b.vector)


def _cosine_by_kind(rows: Sequence[Row], planned: Sequence[tuple[Question, Question]]) -> Figures:
    """Return what plain cosine at the default floor does, by kind."""
    floor = default_rules("strict").floor
    hits = [Verdict(hit=a.text == b.text or _similarity(a, b) >= floor) for a, b in planned]
    return dict(summary_of_pairs(rows, hits)["by_kind"])


def _pairs_under(
    pairs: Sequence[tuple[Question, Question]], rules: CacheRules
) -> list[tuple[Question, Question]]:
    return [(_under(a, rules), _under(b, rules)) for a, b in pairs]


def _under(question: Question, rules: CacheRules) -> Question:
    """Return the question as another mode plans it: nothing else of the plan knows the mode."""
    return replace(question, plan=replace(question.plan, rules=rules))


def _stream(path: Path, bench: Bench) -> Figures:
    rows = read_rows(path, STREAM_FIELDS)
    classes = [row["class"] for row in rows]
    judged = bench.stream(rows, default_rules("strict"), bypass=True)
    figures: Figures = {"whole": {}}
    for mode in MODES:
        verdicts = bench.ask_stream([_under(each, default_rules(mode)) for each in judged])
        figures["whole"][mode] = summary_of_stream(classes, verdicts)
        figures["whole"][mode]["ms_compared_p50"] = _compared(verdicts)
    return figures | {"curve": bench.curve_of_stream(rows, default_rules("strict"), judged)}


def _compared(verdicts: Sequence[Verdict]) -> float | None:
    """Return the median of what a decision took that went beyond the floor: two candidates as a rule."""
    taken = [
        each.seconds
        for each in verdicts
        if each.similarity is not None and each.reason not in ("below_floor", "exact")
    ]
    return 1000 * median(taken) if taken else None


def _dynamic(path: Path, bench: Bench) -> Figures:
    rows = read_rows(path, _DYNAMIC_FIELDS)
    return dict(summary_of_freshness(rows, judge([row["query"] for row in rows], bench.encoder)))
