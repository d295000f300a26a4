"""A run as Markdown tables. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.processes import Memory
from benchmarks.results import CellResult, Run

NONE = "-"


def markdown(run: Run) -> str:
    """Return the tables of a run."""
    return "\n\n".join(
        (
            _facts(run),
            "One connection, each request after the answer to the one before (ms; ratio of the medians to the "
            "direct call's, with a bootstrap 95 % interval):",
            _table(
                ("cell", "n", "p50", "p95", "p99", "max", "ratio", "as expected"),
                (_single(cell) for cell in run.cells.values()),
            ),
            f"{run.plan.connections} connections (requests/s with the expected outcome: over all rounds, and of "
            "the slowest and fastest round):",
            _table(
                (
                    "cell",
                    "n",
                    "requests/s",
                    "slowest-fastest",
                    "p50 ms",
                    "p99 ms",
                    "as expected",
                    "generator",
                ),
                (_many(cell) for cell in run.cells.values()),
            ),
            "CPU under that load (requests for each CPU-second of a part; CPU ms of each part for one request):",
            _table(
                ("cell", "per web CPU-s", "per worker CPU-s", *_parts(run)),
                (_cpu(cell) for cell in run.cells.values()),
            ),
            "Memory (MiB): resident, and with shared pages counted once:",
            _table(
                ("part", "processes", "RSS ready", "PSS ready", "RSS after", "PSS after"),
                (_memory(part, run.memory_ready[part], run.memory_after[part]) for part in run.memory_ready),
            ),
            "From start to ready (s):",
            _table(
                ("home", "n", "min", "median"),
                (_start("fresh", run.starts.cold_s), _start("started before", run.starts.warm_s)),
            ),
        )
    )


def _facts(run: Run) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    usual, worst = (f"{100 * share:.0f} %" for share in run.neighbours)
    return (
        f"{run.date}: {machine}; others took {usual} of the machine in the median turn, {worst} in the worst"
    )


def _single(cell: CellResult) -> list[str]:
    latency = cell.single.latency_ms
    if latency is None:
        return [cell.title, "0"]
    ratio = cell.ratio and f"{cell.ratio.value:.1f} ({cell.ratio.low:.1f}-{cell.ratio.high:.1f})"
    shown = (_ms(value) for value in (latency.p50, latency.p95, latency.p99, latency.max))
    return [cell.title, str(latency.count), *shown, ratio or NONE, _percent(cell.single.as_expected)]


def _many(cell: CellResult) -> list[str]:
    latency, rates = cell.many.latency_ms, cell.per_second_by_round
    return [
        cell.title,
        str(cell.many.requests),
        f"{cell.per_second:.0f}",
        f"{min(rates):.0f}-{max(rates):.0f}",
        _ms(latency.p50 if latency else None),
        _ms(latency.p99 if latency else None),
        _percent(cell.many.as_expected),
        f"{100 * cell.generator_share:.0f} % of a core",
    ]


def _cpu(cell: CellResult) -> list[str]:
    rates = (NONE if rate is None else f"{rate:.0f}" for rate in cell.per_cpu_second.values())
    return [cell.title, *rates, *(f"{spent:.2f}" for spent in cell.cpu_ms.values())]


def _parts(run: Run) -> list[str]:
    return [f"{part} ms" for part in next(iter(run.cells.values())).cpu_ms]


def _memory(part: str, ready: Memory, after: Memory) -> list[str]:
    sizes = (f"{size:.0f}" if size is not None else NONE for m in (ready, after) for size in (m.rss, m.pss))
    return [part, str(ready.processes), *sizes]


def _start(home: str, seconds: Sequence[float]) -> list[str]:
    return [home, str(len(seconds)), f"{min(seconds):.1f}", f"{median(seconds):.1f}"]


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _percent(share: float) -> str:
    # Rounded down: 100 % means every single one.
    return f"{int(1000 * share) / 10:g} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---", *["---:"] * (len(head) - 1)], *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
