from collections import Counter

import pytest

from benchmarks.cells import Cell
from benchmarks.client import Server
from benchmarks.load import TurnResult
from benchmarks.results import CellResult, cell_results, neighbours
from benchmarks.schedule import Kind, Turn


def cell(name: str, expected: str) -> Cell:
    return Cell(
        name=name, title=name, server=Server("http://127.0.0.1:1"), requests=iter(()), expected=expected
    )


def turn(name: str, kind: Kind, latencies: list[float], **outcomes: int) -> TurnResult:
    return TurnResult(
        turn=Turn(cell=name, kind=kind, block=0),
        seconds=2.0,
        latencies=latencies,
        outcomes=Counter(outcomes),
        cpu={"web": 0.5, "worker": 0.0, "beat": 9.0},
        generator_cpu=0.2,
        neighbours=0.1,
        upstream_calls=len(latencies),
    )


@pytest.fixture
def found() -> dict[str, CellResult]:
    cells = [cell("direct", "ok"), cell("hit", "hit_exact")]
    return cell_results(
        cells,
        [
            turn("direct", "latency", [0.001], ok=1),
            turn("hit", "latency", [0.003], hit_exact=1),
            turn("direct", "throughput", [0.001] * 10, ok=10),
            turn("hit", "throughput", [0.004] * 10, hit_exact=8, error=2),
        ],
    )


def test_a_cell_is_compared_with_the_direct_call(found: dict[str, CellResult]) -> None:
    assert found["hit"].ratio is not None
    assert found["hit"].ratio.value == pytest.approx(3.0)
    assert found["direct"].ratio is None


def test_throughput_counts_only_what_was_to_be_measured(found: dict[str, CellResult]) -> None:
    assert found["hit"].per_second == 4.0
    assert found["hit"].per_second_by_round == [4.0]
    assert found["hit"].many.as_expected == 0.8
    assert found["hit"].many.outcomes == {"hit_exact": 8, "error": 2}


def test_cpu_is_told_for_a_request_and_only_of_the_parts_that_it_waits_for(
    found: dict[str, CellResult],
) -> None:
    assert found["hit"].per_cpu_second == {"web": 20.0, "worker": None}
    assert found["hit"].cpu_ms["web"] == pytest.approx(50.0)
    assert "beat" not in found["hit"].cpu_ms
    assert found["hit"].generator_share == pytest.approx(0.1)


def test_calls_that_reached_upstream_are_told_for_a_request(found: dict[str, CellResult]) -> None:
    assert found["hit"].many.upstream_calls == 1.0


def test_neighbours_are_told_by_the_median_turn_and_the_worst() -> None:
    assert neighbours([turn("hit", "latency", [0.1], ok=1)] * 3) == (0.1, 0.1)


def test_a_cell_that_got_no_answer_has_no_figures() -> None:
    [result] = cell_results([cell("hit", "hit_exact")], [turn("hit", "throughput", [])]).values()

    assert result.per_second == 0.0
    assert result.cpu_ms == {}
    assert result.many.latency_ms is None
