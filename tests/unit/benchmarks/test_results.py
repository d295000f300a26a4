from collections import Counter

import pytest

from benchmarks.cells import Cell
from benchmarks.client import Server
from benchmarks.load import Sample, TurnResult
from benchmarks.results import CellResult, Measure, capacity, cell_results, comparisons, neighbours
from benchmarks.schedule import Kind, Turn


def cell(name: str, *expected: str) -> Cell:
    return Cell(
        name=name,
        title=name,
        group="ours",
        serving="web" if name == "hit" else name,
        server=Server("http://127.0.0.1:1"),
        requests=iter(()),
        expected=frozenset(expected),
    )


def turn(name: str, kind: Kind, latencies: list[float], block: int = 0, **outcomes: int) -> TurnResult:
    return TurnResult(
        turn=Turn(cell=name, kind=kind, block=block, share=0.5 if kind == "open" else 0.0),
        sample=Sample(
            seconds=2.0,
            latencies=latencies,
            outcomes=Counter(outcomes),
            lags=[0.001] * len(latencies),
            first_pieces=[0.002],
        ),
        rate=100.0 if kind == "open" else 0.0,
        cpu={"web": 0.5, "echo": 0.1, "worker": 0.0, "beat": 9.0},
        generator_cpu=0.2,
        neighbours=0.1,
        upstream_calls=len(latencies),
    )


CELLS = [cell("echo", "ok"), cell("hit", "hit_exact", "hit_semantic")]
TURNS = [
    turn("echo", "single", [0.001], ok=1),
    turn("hit", "single", [0.003], hit_exact=1),
    turn("echo", "many", [0.001] * 10, ok=10),
    turn("hit", "many", [0.004] * 10, hit_exact=5, hit_semantic=3, error=2),
    turn("hit", "open", [0.004] * 10, hit_exact=10),
]


@pytest.fixture
def found() -> dict[str, CellResult]:
    return cell_results(CELLS, TURNS)


def test_throughput_counts_only_what_was_to_be_measured(found: dict[str, CellResult]) -> None:
    assert found["hit"].per_second == 4.0
    assert found["hit"].per_second_by_round == [4.0]
    assert found["hit"].many.as_expected == 0.8
    assert found["hit"].many.outcomes == {"hit_exact": 5, "hit_semantic": 3, "error": 2}


def test_cpu_is_that_of_the_serving_process_and_told_apart_from_what_helps_it(
    found: dict[str, CellResult],
) -> None:
    assert found["hit"].per_cpu_second == 20.0
    assert found["hit"].serving_ms == pytest.approx(50.0)
    assert found["echo"].per_cpu_second == pytest.approx(100.0)
    assert "beat" not in found["hit"].cpu_ms
    assert found["hit"].generator_share == pytest.approx(0.1)


def test_calls_that_reached_upstream_are_told_for_a_request(found: dict[str, CellResult]) -> None:
    assert found["hit"].many.upstream_calls == 1.0


def test_the_open_loop_tells_its_rate_and_how_late_it_sent(found: dict[str, CellResult]) -> None:
    [load] = found["hit"].open

    assert (load.rate, load.share, load.lag_p99_ms, load.unanswered) == (100.0, 0.5, 1.0, 0)


def test_first_pieces_are_told_for_each_kind_of_load(found: dict[str, CellResult]) -> None:
    single = found["hit"].single.ttft_ms

    assert single is not None
    assert (single.count, single.p50) == (1, 2.0)


def test_cells_are_compared_by_what_they_get_for_a_cpu_second_and_by_their_medians() -> None:
    cells = {each.name: each for each in CELLS}
    wanted: list[tuple[str, str, Measure]] = [("hit", "echo", of) for of in ("cpu", "p50", "ttft")]
    by_cpu, by_p50, by_ttft = comparisons(wanted, cells, TURNS)

    assert by_cpu.ratio.value == pytest.approx((8 / 0.5) / (10 / 0.1))
    assert by_p50.ratio.value == pytest.approx(3.0)
    assert by_ttft.ratio.value == pytest.approx(1.0)


def test_a_cell_that_was_not_measured_is_compared_with_nothing() -> None:
    assert comparisons([("hit", "echo", "cpu")], {"hit": CELLS[1]}, TURNS) == []


def test_capacity_is_the_median_rounds() -> None:
    rounds = [turn("hit", "many", [0.1], block, hit_exact=count) for block, count in enumerate((2, 90, 4))]

    assert capacity(CELLS[1], rounds) == 2.0


def test_neighbours_are_told_by_the_median_turn_and_the_worst() -> None:
    assert neighbours([turn("hit", "single", [0.1], hit_exact=1)] * 3) == (0.1, 0.1)


def test_a_cell_that_got_no_answer_has_no_figures() -> None:
    result = cell_results(CELLS[1:], [turn("hit", "many", [])])["hit"]

    assert (result.per_second, result.per_cpu_second, result.serving_ms) == (0.0, None, 0.0)
    assert result.many.latency_ms is None
