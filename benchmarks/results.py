"""What the turns of a run come to: the figures of each cell, as written to benchmarks/results/. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from benchmarks.cells import Cell
from benchmarks.figures import Count, Latency, Ratio, latency_of, ratio_of_medians, ratio_of_rates
from benchmarks.load import Sample, TurnResult
from benchmarks.processes import Memory
from benchmarks.schedule import Kind, Plan
from benchmarks.stream_figures import OpenStreams

#: Parts that do something for a request besides the serving one; the rest (beat, housekeeping) work on their own.
BESIDE = ("worker", "postgres", "cache", "state", "ingest", "upstream")
#: For one request; below it a part did nothing to speak of (the OS counts in steps of 10 ms).
LEAST_CPU_SECONDS = 1e-6

Measure = Literal["cpu", "p50", "ttft"]
"""cpu: requests for a CPU-second of the serving process; p50: the median latency at one connection; ttft: the
median time to a stream's first piece at one connection."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a cell showed under one kind of load.

    as_expected: share of the requests with an expected outcome. upstream_calls: for each request.
    ttft_ms, gap_ms: of streams, the first piece and the time between two.
    """

    requests: int
    as_expected: float
    outcomes: dict[str, int]
    latency_ms: Latency | None
    upstream_calls: float
    ttft_ms: Latency | None = None
    gap_ms: Latency | None = None


@dataclass(frozen=True, kw_only=True)
class OpenLoad:
    """What a cell showed at a constant rate. lag_p99_ms: how late the generator sent."""

    share: float
    rate: float
    load: Load
    lag_p99_ms: float
    unanswered: int


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """The figures of a cell.

    per_second: requests with an expected outcome, many connections; per_second_by_round for each round.
    per_cpu_second: requests for each CPU-second of the serving process. serving_ms: its CPU for one request;
    cpu_ms: of the parts beside it. generator_share: of a core, taken by the load generator.
    """

    title: str
    group: str
    serving: str
    expected: list[str]
    single: Load
    many: Load
    per_second: float
    per_second_by_round: list[float]
    per_cpu_second: float | None
    serving_ms: float
    cpu_ms: dict[str, float]
    generator_share: float
    open: list[OpenLoad]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A cell's figure as a ratio to another's, measured in turn with it."""

    cell: str
    baseline: str
    of: Measure
    ratio: Ratio


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Hits drawn from so many tenants. relative: per CPU-second to the smallest number's, with the echo's speed
    at the time taken out. cpu_ms: of each part for one request. web_mib: resident memory of the web process."""

    tenants: int
    per_second: float
    per_cpu_second: float | None
    as_expected: float
    relative: float | None
    cpu_ms: dict[str, float]
    web_mib: float


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Seconds from start to ready: of the stack, the first start in a home and the second; of a web process."""

    cold_s: list[float]
    warm_s: list[float]
    web_s: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """A whole run.

    neighbours: shares of the machine that others took, the median turn's and the worst's. peers: version, or why
    one is missing. skipped: cells that could not be measured, and why. embedder: one_ms and texts_per_second.
    open_streams: many at a time, if that was measured.
    """

    date: str
    machine: dict[str, str | int | float]
    plan: Plan
    pinned: str
    peers: dict[str, str]
    skipped: dict[str, str]
    starts: Starts
    cells: dict[str, CellResult]
    comparisons: list[Comparison]
    growth: list[Growth] = field(default_factory=list)
    open_streams: OpenStreams | None = None
    embedder: dict[str, float] | None = None
    memory_ready: dict[str, Memory]
    memory_after: dict[str, Memory]
    neighbours: tuple[float, float]

    def ratio(self, cell: str, baseline: str, of: Measure) -> Ratio | None:
        """Return a comparison's ratio, None if it was not made."""
        key = (cell, baseline, of)
        return next((c.ratio for c in self.comparisons if (c.cell, c.baseline, c.of) == key), None)


def cell_results(cells: Sequence[Cell], turns: Sequence[TurnResult]) -> dict[str, CellResult]:
    """Return the figures of each cell by name."""
    return {cell.name: _cell_result(cell, turns) for cell in cells}


def comparisons(
    pairs: Iterable[tuple[str, str, Measure]], cells: Mapping[str, Cell], turns: Sequence[TurnResult]
) -> list[Comparison]:
    """Return the ratio of each pair (cell, baseline, measure) of which both were measured."""
    found: list[Comparison] = []
    for name, other, of in dict.fromkeys(pairs):
        if name in cells and other in cells:
            ratio = _ratio(cells[name], cells[other], of, turns)
            if ratio:
                found.append(Comparison(cell=name, baseline=other, of=of, ratio=ratio))
    return found


def capacity(cell: Cell, turns: Sequence[TurnResult]) -> float:
    """Return the requests a second with an expected outcome, the median over the rounds."""
    rates = _rates(cell, of(turns, cell.name, "many"))
    return median(rates) if rates else 0.0


def neighbours(turns: Sequence[TurnResult]) -> tuple[float, float]:
    """Return the share of the machine that others took, in the median turn and in the worst."""
    shares = [turn.neighbours for turn in turns]
    return median(shares), max(shares)


def of(turns: Sequence[TurnResult], cell: str, kind: Kind) -> list[TurnResult]:
    """Return the turns of a cell and kind by block."""
    found = (turn for turn in turns if (turn.turn.cell, turn.turn.kind) == (cell, kind))
    return sorted(found, key=lambda turn: turn.turn.block)


def _cell_result(cell: Cell, turns: Sequence[TurnResult]) -> CellResult:
    single, many = of(turns, cell.name, "single"), of(turns, cell.name, "many")
    requests, seconds = sum(len(turn.sample.latencies) for turn in many), sum(t.sample.seconds for t in many)
    rates = _rates(cell, many)
    cpu = {part: sum(turn.cpu.get(part, 0.0) for turn in many) for part in (cell.serving, *BESIDE)}
    per_request = {part: 1000 * spent / requests if requests else 0.0 for part, spent in cpu.items()}
    return CellResult(
        title=cell.title,
        group=cell.group,
        serving=cell.serving,
        expected=sorted(cell.expected),
        single=_load(single, cell.expected),
        many=_load(many, cell.expected),
        per_second=sum(_expected(turn.sample, cell.expected) for turn in many) / (seconds or 1.0),
        per_second_by_round=rates,
        per_cpu_second=_per(requests, cpu[cell.serving]),
        serving_ms=per_request[cell.serving],
        cpu_ms={part: spent for part, spent in per_request.items() if part != cell.serving},
        generator_share=sum(turn.generator_cpu for turn in many) / (seconds or 1.0),
        open=[_open_load(turn, cell.expected) for turn in of(turns, cell.name, "open")],
    )


def _rates(cell: Cell, many: Sequence[TurnResult]) -> list[float]:
    return [_expected(turn.sample, cell.expected) / turn.sample.seconds for turn in many]


def _expected(sample: Sample, expected: frozenset[str]) -> int:
    return sum(sample.outcomes[outcome] for outcome in expected)


def _load(turns: Sequence[TurnResult], expected: frozenset[str]) -> Load:
    outcomes = sum((turn.sample.outcomes for turn in turns), Counter[str]())
    requests = outcomes.total()
    return Load(
        requests=requests,
        as_expected=sum(outcomes[outcome] for outcome in expected) / requests if requests else 0.0,
        outcomes=dict(outcomes),
        latency_ms=latency_of([latency for turn in turns for latency in turn.sample.latencies]),
        upstream_calls=sum(turn.upstream_calls for turn in turns) / requests if requests else 0.0,
        ttft_ms=latency_of([piece for turn in turns for piece in turn.sample.first_pieces]),
        gap_ms=latency_of([gap for turn in turns for gap in turn.sample.gaps]),
    )


def _open_load(turn: TurnResult, expected: frozenset[str]) -> OpenLoad:
    lags = sorted(turn.sample.lags)
    return OpenLoad(
        share=turn.turn.share,
        rate=turn.rate,
        load=_load([turn], expected),
        lag_p99_ms=1000 * lags[int(0.99 * (len(lags) - 1))] if lags else 0.0,
        unanswered=turn.sample.unanswered,
    )


def _ratio(cell: Cell, baseline: Cell, measure: Measure, turns: Sequence[TurnResult]) -> Ratio | None:
    if measure == "cpu":
        return ratio_of_rates(_counts(cell, turns), _counts(baseline, turns))
    mine, theirs = (
        [
            turn.sample.latencies if measure == "p50" else turn.sample.first_pieces
            for turn in of(turns, each.name, "single")
        ]
        for each in (cell, baseline)
    )
    return ratio_of_medians(mine, theirs)


def _counts(cell: Cell, turns: Sequence[TurnResult]) -> list[Count]:
    many = of(turns, cell.name, "many")
    return [(_expected(turn.sample, cell.expected), turn.cpu.get(cell.serving, 0.0)) for turn in many]


def _per(requests: int, seconds: float) -> float | None:
    """Return requests for each CPU-second; None below LEAST_CPU_SECONDS."""
    return requests / seconds if requests and seconds / requests >= LEAST_CPU_SECONDS else None
