"""docs/upstreams.md shows the very table that the tests hold the gateway to."""

from pathlib import Path

from tests.faults import table

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "upstreams.md"


def test_the_page_has_the_table_that_is_tested() -> None:
    assert table() in _PAGE.read_text()
