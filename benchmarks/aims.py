"""What was aimed at, and where a run stands. Pure.

Ratios are of requests for a CPU-second of the serving process, unless they say p50.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Ratio
from benchmarks.results import CellResult, Measure, Run
from benchmarks.stream_figures import OpenStreams


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One aim: what it asks, the figure, and whether it is met (None: not measured in this run)."""

    cell: str
    aim: str
    figure: str
    met: bool | None


@dataclass(frozen=True, kw_only=True)
class RatioAim:
    """The ratio of a cell to another that is aimed at: at least `least`, or at most `most`."""

    title: str
    aim: str
    cell: str
    baseline: str
    of: Measure = "cpu"
    least: float = 0.0
    most: float = float("inf")


RATIO_AIMS = (
    RatioAim(
        title="L0 hit",
        aim=">= 50 % of the bare echo",
        cell="hit_memory",
        baseline="echo",
        least=0.5,
    ),
    RatioAim(
        title="L0 hit",
        aim=">= 100x LiteLLM's cached hits",
        cell="hit_memory",
        baseline="litellm_hit",
        least=100,
    ),
    RatioAim(
        title="L0 hit",
        aim="p50 <= 2x the echo's",
        cell="hit_memory",
        baseline="echo",
        of="p50",
        most=2,
    ),
    RatioAim(
        title="L1 hit",
        aim=">= 80 % of bare ASGI + one Redis GET",
        cell="hit_exact",
        baseline="echo_get",
        least=0.8,
    ),
    RatioAim(
        title="L1 hit",
        aim=">= 40x LiteLLM's cached hits",
        cell="hit_exact",
        baseline="litellm_hit",
        least=40,
    ),
    RatioAim(
        title="miss without L2",
        aim=">= 10x LiteLLM's misses",
        cell="miss_exact",
        baseline="litellm_miss",
        least=10,
    ),
    RatioAim(
        title="miss without L2",
        aim="> Portkey's",
        cell="miss_exact",
        baseline="portkey_miss",
        least=1.0,
    ),
)
#: Further comparisons that the report shows.
SHOWN: tuple[tuple[str, str, Measure], ...] = (
    ("refused", "echo", "cpu"),
    ("limited", "echo", "cpu"),
    ("echo_get", "echo", "cpu"),
    ("hit_exact", "echo", "cpu"),
    ("litellm_hit", "echo", "cpu"),
    ("miss_exact", "direct", "p50"),
    ("completions_hit", "hit_memory", "cpu"),
    ("completions_miss", "miss_exact", "cpu"),
    ("stream_hit", "hit_memory", "cpu"),
    ("stream_miss", "miss_exact", "cpu"),
    ("completions_stream_hit", "stream_hit", "cpu"),
    ("completions_stream_miss", "stream_miss", "cpu"),
    ("completions_miss", "litellm_miss", "cpu"),
    ("completions_miss", "portkey_miss", "cpu"),
    ("completions_stream_miss", "litellm_stream", "cpu"),
    ("completions_stream_miss", "litellm_stream", "ttft"),
    ("completions_stream_miss", "direct_stream", "ttft"),
)
LEAST_MISSES, MOST_ADDED_MS, MOST_BESIDE_MS = 1000.0, 3.0, 6.0
MOST_ADDED_GAP_MS, MOST_STREAM_KB = 20.0, 100.0
LEAST_OF_BATCH_RATE, LEAST_GROWN, MOST_WEB_MIB, MOST_START_S = 0.8, 0.9, 150.0, 3.0


def pairs() -> Iterator[tuple[str, str, Measure]]:
    """Yield the comparisons that a run needs."""
    yield from ((aim.cell, aim.baseline, aim.of) for aim in RATIO_AIMS)
    yield from SHOWN


def standings(run: Run) -> list[Standing]:
    """Return every aim with the run's figure."""
    rows = [_of_ratio(aim, run) for aim in RATIO_AIMS]
    at = next(number for number, aim in enumerate(RATIO_AIMS) if aim.cell == "miss_exact")
    return [
        *rows[:at],
        *_semantic_hit(run),
        *rows[at:],
        *_misses(run),
        *_streams(run),
        *_growth(run),
        *_process(run),
    ]


def added_ttft(run: Run, cell: CellResult | None) -> float | None:
    """Return by how many ms the median time to the first piece exceeds that of the upstream itself."""
    return _difference(_first_piece(cell), _first_piece(run.cells.get("direct_stream")))


def _of_ratio(aim: RatioAim, run: Run) -> Standing:
    ratio = run.ratio(aim.cell, aim.baseline, aim.of)
    met = None if ratio is None else aim.least <= ratio.value <= aim.most
    return Standing(cell=aim.title, aim=aim.aim, figure=shown(ratio), met=met)


def _semantic_hit(run: Run) -> Iterator[Standing]:
    one_ms, rate = _embedder(run)
    cell = run.cells.get("hit_semantic")
    yield _compared("L2 hit", "p50 <= embedder + 6 ms", _p50(cell), one_ms, "ms", beside=MOST_BESIDE_MS)
    yield _reached("L2 hit", "throughput >= 80 % of the embedder's batch rate", cell, rate)


def _misses(run: Run) -> Iterator[Standing]:
    one_ms, rate = _embedder(run)
    exact, full, direct = (run.cells.get(name) for name in ("miss_exact", "miss", "direct"))
    per_second = exact.per_second if exact else None
    yield Standing(
        cell="miss without L2",
        aim=">= 1,000/s",
        figure="-" if per_second is None else f"{per_second:.0f}/s",
        met=None if per_second is None else per_second >= LEAST_MISSES,
    )
    added = _difference(_p50(exact), _p50(direct))
    yield _compared("miss without L2", "added p50 <= 3 ms", added, 0.0, "ms", beside=MOST_ADDED_MS)
    yield _reached("miss with L2", "throughput >= 80 % of the embedder's batch rate", full, rate)
    added = _difference(_p50(full), _p50(direct))
    yield _compared(
        "miss with L2", "added p50 <= embedder + 6 ms", added, one_ms, "ms", beside=MOST_BESIDE_MS
    )


def _streams(run: Run) -> Iterator[Standing]:
    for name, title in (
        ("stream_miss", "stream of a miss, `/chat`"),
        ("completions_stream_miss", "stream of a miss, `/v1/chat/completions`"),
    ):
        added = added_ttft(run, run.cells.get(name))
        yield _compared(title, "first token: added p50 <= 3 ms", added, 0.0, "ms", beside=MOST_ADDED_MS)
    yield from _open_streams(run.open_streams)


def _open_streams(found: OpenStreams | None) -> Iterator[Standing]:
    added = found.added_gap_p99_ms if found else None
    yield _compared("300 open streams", "gap p99: added <= 20 ms", added, 0.0, "ms", beside=MOST_ADDED_GAP_MS)
    grown = found.rss_kb if found else None
    yield _compared("300 open streams", "RSS <= 100 KB each", grown, 0.0, "KB", beside=MOST_STREAM_KB)
    yield Standing(
        cell="300 open streams",
        aim="no database connection held",
        figure=f"{found.connections_in_use_median:g} in use (at most {found.connections_in_use})"
        if found
        else "-",
        met=found.connections_in_use_median == 0 if found else None,
    )


def _growth(run: Run) -> Iterator[Standing]:
    last = run.growth[-1] if run.growth else None
    relative = last.relative if last else None
    yield Standing(
        cell="growth",
        aim="hit throughput flat from 1 to 10,000 tenants (>= 90 %)",
        figure="-" if relative is None or last is None else f"{100 * relative:.0f} % at {last.tenants:,}",
        met=None if relative is None else relative >= LEAST_GROWN,
    )


def _process(run: Run) -> Iterator[Standing]:
    rss = run.memory_after["web"].rss
    yield Standing(
        cell="memory",
        aim="web process <= 150 MiB after the load",
        figure=f"{rss:.0f} MiB",
        met=rss <= MOST_WEB_MIB,
    )
    web_s = run.starts.web_s
    yield Standing(cell="start", aim="web ready < 3 s", figure=f"{web_s:.1f} s", met=web_s < MOST_START_S)


def _compared(
    cell: str, aim: str, value: float | None, base: float | None, unit: str, *, beside: float
) -> Standing:
    """An aim of at most `base + beside`."""
    if value is None or base is None:
        return Standing(cell=cell, aim=aim, figure="-", met=None)
    bound = f" (of {base + beside:.1f})"
    return Standing(cell=cell, aim=aim, figure=f"{value:.2f} {unit}{bound}", met=value <= base + beside)


def _reached(cell: str, aim: str, result: CellResult | None, rate: float | None) -> Standing:
    """An aim of at least a share of the embedder's batch rate."""
    if result is None or rate is None:
        return Standing(cell=cell, aim=aim, figure="-", met=None)
    share = result.per_second / rate
    figure = f"{100 * share:.0f} % ({result.per_second:.0f}/s of {rate:.0f}/s)"
    return Standing(cell=cell, aim=aim, figure=figure, met=share >= LEAST_OF_BATCH_RATE)


def _embedder(run: Run) -> tuple[float | None, float | None]:
    found = run.embedder or {}
    return found.get("one_ms"), found.get("texts_per_second")


def _p50(cell: CellResult | None) -> float | None:
    return cell.single.latency_ms.p50 if cell and cell.single.latency_ms else None


def _first_piece(cell: CellResult | None) -> float | None:
    return cell.single.ttft_ms.p50 if cell and cell.single.ttft_ms else None


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def shown(ratio: Ratio | None) -> str:
    """Return a ratio with its interval, `-` for none."""
    if ratio is None:
        return "-"
    return f"{_digits(ratio.value)} ({_digits(ratio.low)}-{_digits(ratio.high)})"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"
