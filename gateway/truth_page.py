"""The figures of docs/cache-truth.md as tables and as a picture. Pure but for `publish`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

BEGIN = "<!-- figures: written by `make truth`; changes here are lost -->"
END = "<!-- figures: end -->"

_COLOURS = {"cosine": "#8c8c8c", "decision": "#b5651d"}
_WIDTH, _HEIGHT, _ACROSS, _MARGIN, _HEAD = 250, 190, 3, 46, 60
#: The cosine that the tables hold the decision against.
_FLOOR = 0.85


class NoMarks(Exception):
    """The page has no place for the figures."""


def with_figures(page: str, figures: str) -> str:
    """Return the page with what stands between the marks replaced. Raises NoMarks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarks(f"the page lacks {BEGIN!r} or {END!r}")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def publish(page: Path, figures: Mapping[str, Any]) -> None:
    """Write the tables into the page and the picture beside it. Raises NoMarks, OSError."""
    image = page.with_suffix(".svg")
    text = f"![Wrong hits against hits]({image.name})\n\n{tables(figures)}"
    written = with_figures(page.read_text(), text)
    image.write_text(picture(figures))
    page.write_text(written)


def tables(figures: Mapping[str, Any]) -> str:
    """Return all tables as Markdown."""
    parts = [
        f"Embedder `{figures['embedder']}`, verifier `{figures['verifier'] or 'none'}`.",
        *_pair_tables(figures["pairs"]),
        *_stream_tables(figures["stream"]),
        *_guard_table(figures["pairs"]),
        *_freshness_table(figures["dynamic"]),
    ]
    return "\n\n".join(parts)


def _pair_tables(sets: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "### Pairs\n\nRecall of true paraphrases / false_hit_rate of other questions, the match decision alone "
        "(`--no-bypass`); the last columns with the cacheability step before it."
    )
    head = ("set", "pairs", f"cosine {_FLOOR}", "strict", "balanced", "P-CHR AUC: cosine", "decision")
    rows = [_pair_row(name, found) for name, found in sets.items()]
    yield _table((*head, "strict, whole", "balanced, whole"), rows)
    for name, found in sets.items():
        if found["alone"]["strict"]["by_kind"]:
            yield f"`{name}` by kind of change: recall where the questions are the same, else false_hit_rate."
            yield _table(
                ("kind", "pairs", "same", f"cosine {_FLOOR}", "strict", "balanced"), list(_kinds(found))
            )


def _pair_row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    areas = found["curve"]["p_chr_auc"]
    return (
        f"`{name}`",
        f"{found['alone']['strict']['n']:,}",
        _recall_fhr(_at(found["curve"]["cosine"], _FLOOR)),
        *(_recall_fhr(found["alone"][mode]) for mode in ("strict", "balanced")),
        *(_number(areas[which]) for which in ("cosine", "decision")),
        *(_recall_fhr(found["whole"][mode]) for mode in ("strict", "balanced")),
    )


def _kinds(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    kinds = found["alone"]["strict"]["by_kind"]
    columns = (found["cosine_by_kind"], *(found["alone"][mode]["by_kind"] for mode in ("strict", "balanced")))
    for kind, rates in kinds.items():
        shown = [_recall_fhr(column[kind]) for column in columns]
        yield (escape(kind), str(rates["n"]), str(rates["same"]), *shown)


def _stream_tables(sets: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "### Streams\n\nHit rate / wrong_hit_share / wrong_served_rate of a first-come cache, with the "
        "cacheability step (plain cosine without any). The last column: what a decision takes that goes beyond "
        "the floor."
    )
    head = ("set", "queries", f"cosine {_FLOOR}", "strict", "balanced", "bypassed", "ms p50")
    yield _table(head, [_stream_row(name, found) for name, found in sets.items()])


def _stream_row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    strict = found["whole"]["strict"]
    return (
        f"`{name}`",
        f"{strict['n']:,}",
        _served(_at(found["curve"]["cosine"], _FLOOR)),
        *(_served(found["whole"][mode]) for mode in ("strict", "balanced")),
        str(strict["bypassed"]),
        _number(strict["ms_compared_p50"]),
    )


def _guard_table(sets: Mapping[str, Any]) -> Iterator[str]:
    shown = {name: found["guards"] for name, found in sets.items() if found["guards"]["different"] >= 20}
    if not shown:
        return
    yield (
        "### What guards cost\n\nRefused paraphrases / caught other questions, of pairs at cosine >= 0.80 "
        "(how many of each in the head)."
    )
    heads = [f"`{name}` ({each['same']} / {each['different']})" for name, each in shown.items()]
    guards = next(iter(shown.values()))["guards"]
    rows = [(guard, *(_refused_caught(each["guards"][guard]) for each in shown.values())) for guard in guards]
    yield _table(("guard", *heads), rows)


def _freshness_table(sets: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "### Freshness\n\nQuestions that depend on now or on who asks, told from static ones. A question counts "
        "as found if its kind isn't `static`."
    )
    head = ("set", "questions", "AUC", "recall", "precision", "false positives")
    yield _table(head, [_freshness_row(name, found) for name, found in sets.items()])


def _freshness_row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    shares = (_percent(found[column]) for column in ("recall", "precision", "fpr"))
    return (f"`{name}`", f"{found['n']:,}", _number(found["auc"]), *shares)


def _at(points: Sequence[Mapping[str, Any]], threshold: float) -> Mapping[str, Any]:
    return next(point for point in points if point["threshold"] == threshold)


def _recall_fhr(rates: Mapping[str, Any]) -> str:
    return f"{_percent(rates['recall'])} / {_percent(rates['false_hit_rate'])}"


def _served(rates: Mapping[str, Any]) -> str:
    shares = (rates[name] for name in ("hit_rate", "wrong_hit_share", "wrong_served_rate"))
    return " / ".join(map(_percent, shares))


def _refused_caught(rates: Mapping[str, Any]) -> str:
    return f"{_percent(rates['refused'])} / {_percent(rates['caught'])}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (head, ["---"] + ["---:"] * (len(head) - 1), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(figures: Mapping[str, Any]) -> str:
    """Return the curves of all sets, wrong hits against hits; text stays readable on light and dark ground."""
    every = (*_pair_charts(figures["pairs"]), *_stream_charts(figures["stream"]))
    # Where all pairs are the same, there is nothing to be wrong about.
    charts = [chart for chart in every if any(chart["lines"].values())]
    height = _HEAD + _HEIGHT * math.ceil(len(charts) / _ACROSS)
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * _ACROSS}" height="{height}" '
        'font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="10" y="20" font-size="14">Wrong hits (up; lower is better) against hits (right, %)</text>',
        *_legend(),
        *(
            line
            for number, chart in enumerate(charts)
            for line in _chart(chart, _WIDTH * (number % _ACROSS), _HEAD + _HEIGHT * (number // _ACROSS))
        ),
        "</svg>",
    )
    return "\n".join(lines) + "\n"


def _legend() -> Iterator[str]:
    told = {"cosine": "plain cosine", "decision": "the decision, as the verifier's limit moves"}
    for number, (name, colour) in enumerate(_COLOURS.items()):
        yield f'<rect x="{10 + 110 * number}" y="32" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{25 + 110 * number}" y="41">{told[name]}</text>'
    yield '<circle cx="366" cy="37" r="4" fill="none" stroke="#000000"/><text x="376" y="41">strict</text>'
    yield '<rect x="416" y="33" width="8" height="8" fill="none" stroke="#000000"/>'
    yield '<text x="430" y="41">balanced</text>'


Chart = dict[str, Any]


def _pair_charts(sets: Mapping[str, Any]) -> Iterator[Chart]:
    for name, found in sets.items():
        yield {
            "title": f"{name}: false_hit_rate over recall",
            "lines": {which: _line(found["curve"][which], "recall", "false_hit_rate") for which in _COLOURS},
            "marks": [
                _mark(found["alone"][mode], "recall", "false_hit_rate") for mode in ("strict", "balanced")
            ],
        }


def _stream_charts(sets: Mapping[str, Any]) -> Iterator[Chart]:
    for name, found in sets.items():
        yield {
            "title": f"{name}: wrong_served_rate over hit rate",
            "lines": {
                which: _line(found["curve"][which], "hit_rate", "wrong_served_rate") for which in _COLOURS
            },
            "marks": [
                _mark(found["whole"][mode], "hit_rate", "wrong_served_rate")
                for mode in ("strict", "balanced")
            ],
        }


def _line(points: Sequence[Mapping[str, Any]], across: str, up: str) -> list[tuple[float, float]]:
    return sorted((point[across], point[up]) for point in points if None not in (point[across], point[up]))


def _mark(rates: Mapping[str, Any], across: str, up: str) -> tuple[float, float]:
    return rates[across] or 0.0, rates[up] or 0.0


def _chart(chart: Chart, left: int, top: int) -> Iterator[str]:
    points = [point for line in chart["lines"].values() for point in line] + chart["marks"]
    most = _round_up(max((up for _, up in points), default=0.0))
    x0, y0, x1, y1 = left + _MARGIN, top + 22, left + _WIDTH - 14, top + _HEIGHT - 24

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return x0 + (x1 - x0) * point[0], y1 - (y1 - y0) * min(point[1] / most, 1.0)

    yield f'<text x="{left + 8}" y="{top + 12}">{escape(chart["title"])}</text>'
    for step in range(5):
        x, y = place((step / 4, most * step / 4))
        yield f'<line x1="{x0}" y1="{y:.1f}" x2="{x1}" y2="{y:.1f}" stroke="#e4e4e4"/>'
        yield f'<text x="{x0 - 4}" y="{y + 3:.1f}" text-anchor="end">{100 * most * step / 4:.3g} %</text>'
        yield f'<text x="{x:.1f}" y="{y1 + 12}" text-anchor="middle">{25 * step}</text>'
    for name, line in chart["lines"].items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, line))
        yield f'<polyline points="{path}" fill="none" stroke="{_COLOURS[name]}" stroke-width="2"/>'
    (sx, sy), (bx, by) = map(place, chart["marks"])
    yield f'<circle cx="{sx:.1f}" cy="{sy:.1f}" r="4" fill="none" stroke="#000000"/>'
    yield f'<rect x="{bx - 4:.1f}" y="{by - 4:.1f}" width="8" height="8" fill="none" stroke="#000000"/>'


def _round_up(most: float) -> float:
    """Return the end of an axis: the next of 1, 2, 4, 8 times a power of ten."""
    if most <= 0:
        return 0.01
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= most)
