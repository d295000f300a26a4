"""A run as Markdown tables. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from benchmarks import aims
from benchmarks.figures import Latency
from benchmarks.processes import Memory
from benchmarks.results import CellResult, Growth, OpenLoad, Run
from benchmarks.stream_figures import OpenStreams, Way

NONE = "-"
OF = {"cpu": "requests for a CPU-second", "p50": "p50, 1 conn.", "ttft": "first piece p50, 1 conn."}
MET = {True: "yes", False: "**no**", None: "not measured"}
#: The generator or the upstream may be what is measured once a cell comes so near to what they can do alone.
NEAR = 0.5
#: Parts that could have more to do for a request when there are more tenants.
GROWTH_PARTS = ("web", "cache", "state", "postgres")


def markdown(run: Run) -> str:
    """Return the tables of a run."""
    return "\n\n".join(part for part in _parts(run) if part)


def warnings(run: Run) -> Iterator[str]:
    """Yield cells whose figures per second the generator or the upstream may have held down."""
    generator, upstream = (run.cells[name].per_second for name in ("reflector", "direct"))
    for cell in run.cells.values():
        if cell.group != "rig" and cell.per_second > NEAR * generator:
            yield f"{cell.title}: {100 * cell.per_second / generator:.0f} % of what the generator can do"
        asked = cell.per_second * cell.many.upstream_calls
        if cell.group != "rig" and asked > NEAR * upstream:
            yield f"{cell.title}: {100 * asked / upstream:.0f} % of what the upstream can do"


def _parts(run: Run) -> Iterator[str]:
    yield _facts(run)
    yield "Aims (ratios of requests for a CPU-second of the serving process, with a bootstrap 95 % interval):"
    rows = ([s.cell, s.aim, s.figure, MET[s.met]] for s in aims.standings(run))
    yield _table(("cell", "aim", "figure", "met"), rows)
    yield (
        f'Closed loop. "/CPU-s": requests for a CPU-second of the serving process under {run.plan.connections} '
        "connections; requests/s: with the expected outcome, of all rounds (slowest-fastest); latencies in ms:"
    )
    yield _table(
        (
            *("cell", "/CPU-s", "vs echo", "requests/s", "p50, 1 conn.", "p99, 1 conn."),
            *(
                f"p50, {run.plan.connections}",
                f"p99, {run.plan.connections}",
                "as expected",
                "upstream calls",
            ),
        ),
        (_closed(run, name) for name in run.cells),
    )
    yield _open(run)
    yield _streams(run)
    yield _open_streams(run.open_streams)
    yield _beside(run)
    yield _growth(run.growth)
    yield "CPU of each part for one request under that load (ms):"
    beside = list(run.cells["echo"].cpu_ms)
    yield _table(("cell", "serving", *beside, "generator"), (_cpu(c, beside) for c in run.cells.values()))
    yield "Memory (MiB): resident, and with shared pages counted once:"
    yield _table(
        ("part", "processes", "RSS ready", "PSS ready", "RSS after", "PSS after"),
        (_memory(part, run.memory_ready[part], run.memory_after[part]) for part in run.memory_ready),
    )
    yield f"From start to ready (s); a web process alone, the rest being there: {run.starts.web_s:.1f} s."
    yield _table(
        ("home", "n", "min", "median"),
        (_start("fresh", run.starts.cold_s), _start("started before", run.starts.warm_s)),
    )
    yield _list("Not measured", (f"`{name}`: {reason}" for name, reason in run.skipped.items()))
    yield _list("Held down by the rig (judge these by CPU-second)", warnings(run))


def _facts(run: Run) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    usual, worst = (f"{100 * share:.0f} %" for share in run.neighbours)
    peers = ", ".join(f"{name} {version}" for name, version in run.peers.items())
    embedder = run.embedder and (
        f" Embedder alone: {run.embedder['one_ms']:.1f} ms for a text, "
        f"{run.embedder['texts_per_second']:.0f} texts/s in batches."
    )
    return (
        f"{run.date}: {machine}; {run.pinned}; others took {usual} of the machine in the median turn, {worst} in "
        f"the worst. Peers: {peers}.{embedder or ''}"
    )


def _closed(run: Run, name: str) -> list[str]:
    cell = run.cells[name]
    single, many, rates = cell.single.latency_ms, cell.many.latency_ms, cell.per_second_by_round
    of_echo = run.cells["echo"].per_cpu_second
    return [
        cell.title,
        NONE if cell.per_cpu_second is None else f"{cell.per_cpu_second:.0f}",
        f"{100 * cell.per_cpu_second / of_echo:.1f} %" if cell.per_cpu_second and of_echo else NONE,
        f"{cell.per_second:.0f} ({min(rates):.0f}-{max(rates):.0f})" if rates else NONE,
        *(_ms(value) for value in _ends(single)),
        *(_ms(value) for value in _ends(many)),
        _percent(cell.many.as_expected),
        f"{cell.many.upstream_calls:.2f}",
    ]


def _ends(latency: Latency | None) -> tuple[float | None, float | None]:
    return (latency.p50, latency.p99) if latency else (None, None)


def _open(run: Run) -> str:
    rows = [_open_row(cell, load) for cell in run.cells.values() for load in cell.open]
    if not rows:
        return ""
    head = (
        "cell",
        "rate",
        "share",
        "n",
        "p50",
        "p95",
        "p99",
        "max",
        "as expected",
        "unanswered",
        "sent late, p99",
    )
    return (
        "Open loop: requests at a constant rate, a share of the rate above; ms from when each was due to be sent:"
        "\n\n" + _table(head, rows)
    )


def _open_row(cell: CellResult, load: OpenLoad) -> list[str]:
    latency = load.load.latency_ms
    values = (latency.p50, latency.p95, latency.p99, latency.max) if latency else (None,) * 4
    return [
        cell.title,
        f"{load.rate:.0f}/s",
        f"{100 * load.share:.0f} %",
        str(load.load.requests),
        *(_ms(value) for value in values),
        _percent(load.load.as_expected),
        str(load.unanswered),
        _ms(load.lag_p99_ms),
    ]


def _streams(run: Run) -> str:
    rows = [_stream(cell, run) for cell in run.cells.values() if cell.single.ttft_ms]
    many = run.plan.connections
    head = (
        *("cell", "first piece p50, 1 conn.", "p99", "added to upstream's p50", "gap p50", "gap p99"),
        *(f"first piece p50, {many}", "p99", "gap p50", "gap p99"),
    )
    return "Streams (ms):\n\n" + _table(head, rows) if rows else ""


def _stream(cell: CellResult, run: Run) -> list[str]:
    single, many = (
        [_ms(value) for latency in (load.ttft_ms, load.gap_ms) for value in _ends(latency)]
        for load in (cell.single, cell.many)
    )
    added = aims.added_ttft(run, cell)
    return [cell.title, *single[:2], NONE if cell.group == "rig" else _ms(added), *single[2:], *many]


def _open_streams(found: OpenStreams | None) -> str:
    if found is None:
        return ""
    head = ("way", "as expected", "first piece p50", "p99", "gap p50", "p99", "max", "gap p99 by block")
    rows = (_way("upstream itself", found.direct), _way("through the gateway", found.through))
    growth = ", ".join(f"{kb:.0f}" for kb in found.rss_kb_by_block)
    return (
        f"{found.streams} streams open at a time, a piece each {found.apart_ms:.0f} ms, `/v1/chat/completions`, "
        "misses without L2 (ms):\n\n" + _table(head, rows) + "\n\nThe web process meanwhile: "
        f"{100 * found.cpu_share:.0f} % of a core, {found.cpu_us_per_piece:.0f} us of CPU for a piece, all it "
        f"does counted; {growth} KB of RSS for each stream (by block: what one has grown by serves the next); "
        f"connections to Postgres {found.connections_before} before, at most {found.connections} with all open, "
        f"of them in use at most {found.connections_in_use} (median {found.connections_in_use_median:g} of "
        f"{found.looks} looks)."
    )


def _way(title: str, way: Way) -> list[str]:
    gaps = way.gap_ms
    return [
        title,
        _percent(way.as_expected),
        *(_ms(value) for value in (*_ends(way.first_ms), *_ends(gaps), gaps.max if gaps else None)),
        ", ".join(_ms(value) for value in way.gap_p99_by_block_ms) or NONE,
    ]


def _beside(run: Run) -> str:
    rows = [
        [run.cells[c.cell].title, run.cells[c.baseline].title, OF[c.of], aims.shown(c.ratio)]
        for c in run.comparisons
        if (c.cell, c.baseline, c.of) in aims.SHOWN
    ]
    text = "Further ratios, measured in turn, with a bootstrap 95 % interval:\n\n"
    return text + _table(("cell", "to", "of", "ratio"), rows) if rows else ""


def _growth(grown: Sequence[Growth]) -> str:
    rows = (
        [
            f"{step.tenants:,}",
            NONE if step.per_cpu_second is None else f"{step.per_cpu_second:.0f}",
            f"{step.per_second:.0f}",
            NONE if step.relative is None else f"{100 * step.relative:.0f} %",
            *(f"{step.cpu_ms[part]:.3f}" for part in GROWTH_PARTS),
            f"{step.web_mib:.0f}",
            _percent(step.as_expected),
        ]
        for step in grown
    )
    parts = (f"{part} ms" for part in GROWTH_PARTS)
    head = (
        "tenants",
        "/CPU-s",
        "requests/s",
        "/CPU-s, of one tenant's (echo's drift out)",
        *parts,
        "web MiB",
        "as expected",
    )
    text = "Growth: hits of so many tenants in turn, each with a key and an answer of its own:\n\n"
    return text + _table(head, rows) if grown else ""


def _cpu(cell: CellResult, parts: Sequence[str]) -> list[str]:
    spent = (cell.cpu_ms.get(part) for part in parts)
    return [
        cell.title,
        f"{cell.serving_ms:.3f}",
        *(NONE if ms is None else f"{ms:.3f}" for ms in spent),
        f"{100 * cell.generator_share:.0f} % of a core",
    ]


def _memory(part: str, ready: Memory, after: Memory) -> list[str]:
    sizes = (f"{size:.0f}" if size is not None else NONE for m in (ready, after) for size in (m.rss, m.pss))
    return [part, str(ready.processes), *sizes]


def _start(home: str, seconds: Sequence[float]) -> list[str]:
    return [home, str(len(seconds)), f"{min(seconds):.1f}", f"{median(seconds):.1f}"]


def _list(head: str, items: Iterable[str]) -> str:
    lines = [f"- {item}" for item in items]
    return f"{head}:\n\n" + "\n".join(lines) if lines else ""


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _percent(share: float) -> str:
    # Rounded down: 100 % means every single one.
    return f"{int(1000 * share) / 10:g} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---", *["---:"] * (len(head) - 1)], *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
