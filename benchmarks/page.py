"""Puts a run's tables and picture into docs/performance.md, between two marks. Pure but for `publish`."""

from pathlib import Path

BEGIN = "<!-- figures: written by `make bench ARGS=--docs`; changes here are lost -->"
END = "<!-- figures: end -->"
DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, PICTURE = DOCS / "performance.md", DOCS / "performance.svg"


class NoMarks(Exception):
    """The page has no place for the figures."""


def with_figures(page: str, figures: str) -> str:
    """Return the page with what stands between the marks replaced. Raises NoMarks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarks(f"the page lacks {BEGIN!r} or {END!r}")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def publish(figures: str, picture: str, results: str) -> None:
    """Write both files; `results`: the name of the results file. Raises NoMarks, OSError."""
    image = f"![Requests for a CPU-second of each cell]({PICTURE.name})"
    link = f"All figures: [`benchmarks/results/{results}`](../benchmarks/results/{results})."
    page = with_figures(PAGE.read_text(), f"{image}\n\n{link}\n\n{figures}")
    PICTURE.write_text(picture)
    PAGE.write_text(page)
