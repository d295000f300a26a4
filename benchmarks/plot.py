"""A run as a picture: requests for a CPU-second of each cell, as bars on a logarithmic scale. Pure."""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.results import CellResult, Run

COLOURS = {"baseline": "#8c8c8c", "ours": "#b5651d", "peer": "#4a6fa5"}
LEGEND = {"baseline": "bare servers", "ours": "Halfpenny", "peer": "other gateways"}
LEFT, WIDTH, ROW, TOP, RIGHT = 330, 430, 22, 56, 70


def svg(run: Run) -> str:
    """Return the picture; text stays readable on light and dark ground."""
    cells = [cell for cell in run.cells.values() if cell.group in COLOURS and cell.per_cpu_second]
    cells.sort(key=lambda cell: -(cell.per_cpu_second or 0))
    height = TOP + ROW * len(cells) + 14
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="10" y="20" font-size="14">Requests for a CPU-second of the serving process '
        f"(logarithmic; {escape(run.date[:10])})</text>",
        *_legend(),
        *_grid(cells, height),
        *(line for number, cell in enumerate(cells) for line in _bar(cell, number, cells)),
        "</svg>",
    )
    return "\n".join(lines) + "\n"


def _legend() -> Iterator[str]:
    for number, (group, colour) in enumerate(COLOURS.items()):
        x = LEFT + 130 * number
        yield f'<rect x="{x}" y="32" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 15}" y="41">{LEGEND[group]}</text>'


def _grid(cells: list[CellResult], height: int) -> Iterator[str]:
    low, high = _decades(cells)
    for decade in range(low, high + 1):
        x = _x(10.0**decade, cells)
        yield f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 12}" stroke="#dddddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 2}" text-anchor="middle" font-size="10">{10**decade:,}</text>'


def _bar(cell: CellResult, number: int, cells: list[CellResult]) -> Iterator[str]:
    y, rate = TOP + ROW * number, cell.per_cpu_second or 1.0
    end = _x(rate, cells)
    yield f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(cell.title.replace("`", ""))}</text>'
    yield (
        f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{ROW - 6}" fill="{COLOURS[cell.group]}"/>'
    )
    yield f'<text x="{end + 5:.1f}" y="{y + 12}">{rate:,.0f}</text>'


def _x(rate: float, cells: list[CellResult]) -> float:
    low, high = _decades(cells)
    return LEFT + WIDTH * max(0.0, (math.log10(rate) - low) / max(1, high - low))


def _decades(cells: list[CellResult]) -> tuple[int, int]:
    rates = [cell.per_cpu_second or 1.0 for cell in cells]
    return math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
