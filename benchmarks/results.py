"""What the turns of a run add up to. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cells import BASELINE, Cell
from benchmarks.figures import Latency, Ratio, latency_of, ratio_of_medians
from benchmarks.load import TurnResult
from benchmarks.processes import Memory
from benchmarks.schedule import Kind, Plan

#: Parts whose CPU a request pays for at once; ingest and housekeeping work later, in batches.
IN_LINE = ("web", "worker", "postgres", "cache", "state", "upstream")
#: For one request; below it a part did nothing to speak of (the OS counts in steps of 10 ms).
LEAST_CPU_SECONDS = 1e-4


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a cell showed under the load of one kind of turn.

    as_expected: share of the requests with the expected outcome. upstream_calls: for each request.
    """

    requests: int
    as_expected: float
    outcomes: dict[str, int]
    latency_ms: Latency | None
    upstream_calls: float


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """The figures of a cell.

    ratio: of the medians, to the baseline's, one connection. per_second: requests with the expected outcome;
    per_second_by_round for each round. per_cpu_second: requests for each CPU-second of a part.
    cpu_ms: of each part for one request. generator_share: of a core, taken by the load generator.
    """

    title: str
    expected: str
    single: Load
    ratio: Ratio | None
    many: Load
    per_second: float
    per_second_by_round: list[float]
    per_cpu_second: dict[str, float | None]
    cpu_ms: dict[str, float]
    generator_share: float


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Seconds from start to ready, of each home: the first start in it and the second."""

    cold_s: list[float]
    warm_s: list[float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A whole run. `neighbours`: shares of the machine that others took, the median turn's and the worst's."""

    date: str
    machine: dict[str, str | int | float]
    plan: Plan
    starts: Starts
    cells: dict[str, CellResult]
    memory_ready: dict[str, Memory]
    memory_after: dict[str, Memory]
    neighbours: tuple[float, float]


def cell_results(cells: Sequence[Cell], turns: Sequence[TurnResult]) -> dict[str, CellResult]:
    """Return the figures of each cell by name."""
    baseline = _of(turns, BASELINE, "latency")
    return {cell.name: _cell_result(cell, turns, baseline) for cell in cells}


def neighbours(turns: Sequence[TurnResult]) -> tuple[float, float]:
    """Return the share of the machine that others took, in the median turn and in the worst."""
    shares = [turn.neighbours for turn in turns]
    return median(shares), max(shares)


def _cell_result(cell: Cell, turns: Sequence[TurnResult], baseline: Sequence[TurnResult]) -> CellResult:
    single, many = _of(turns, cell.name, "latency"), _of(turns, cell.name, "throughput")
    requests, seconds = sum(len(turn.latencies) for turn in many), sum(turn.seconds for turn in many)
    cpu = {part: sum(turn.cpu.get(part, 0.0) for turn in many) for part in IN_LINE}
    rates = [turn.outcomes[cell.expected] / turn.seconds for turn in many]
    return CellResult(
        title=cell.title,
        expected=cell.expected,
        single=_load(single, cell.expected),
        ratio=_ratio(cell, single, baseline),
        many=_load(many, cell.expected),
        per_second=sum(turn.outcomes[cell.expected] for turn in many) / seconds,
        per_second_by_round=rates,
        per_cpu_second={part: _per(requests, cpu[part]) for part in ("web", "worker")},
        cpu_ms={part: 1000 * spent / requests for part, spent in cpu.items()} if requests else {},
        generator_share=sum(turn.generator_cpu for turn in many) / seconds,
    )


def _load(turns: Sequence[TurnResult], expected: str) -> Load:
    outcomes = sum((turn.outcomes for turn in turns), Counter[str]())
    requests = outcomes.total()
    return Load(
        requests=requests,
        as_expected=outcomes[expected] / requests if requests else 0.0,
        outcomes=dict(outcomes),
        latency_ms=latency_of([sample for turn in turns for sample in turn.latencies]),
        upstream_calls=sum(turn.upstream_calls for turn in turns) / requests if requests else 0.0,
    )


def _ratio(cell: Cell, single: Sequence[TurnResult], baseline: Sequence[TurnResult]) -> Ratio | None:
    if cell.name == BASELINE:
        return None
    return ratio_of_medians([turn.latencies for turn in single], [turn.latencies for turn in baseline])


def _per(requests: int, seconds: float) -> float | None:
    """Return requests per CPU-second; None below LEAST_CPU_SECONDS."""
    return requests / seconds if requests and seconds / requests >= LEAST_CPU_SECONDS else None


def _of(turns: Sequence[TurnResult], cell: str, kind: Kind) -> list[TurnResult]:
    return sorted(
        (t for t in turns if (t.turn.cell, t.turn.kind) == (cell, kind)), key=lambda t: t.turn.block
    )
