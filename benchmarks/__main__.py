"""`python -m benchmarks`: measure a stack of its own, bare servers and other gateways, and write it down.

Prints Markdown tables on stdout, progress on stderr; the figures go to benchmarks/results/<date>.json.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks import aims, growth, open_streams, page, plot, report, results, seeding
from benchmarks.cells import Cell, Target, cells
from benchmarks.client import Server
from benchmarks.load import NotMeasurable, TurnResult, prepare, take_turn
from benchmarks.pinning import Cores
from benchmarks.processes import Processes
from benchmarks.results import Growth, Run, Starts
from benchmarks.rig import Rig, built, keep_apart
from benchmarks.schedule import FULL, QUICK, Plan, Turn, open_turns, turns
from benchmarks.servers import NotStarted
from benchmarks.stack import Stack, StackFailed, running

RESULTS = Path(__file__).parent / "results"
#: Too slow to be asked at a rate: so few requests say nothing.
LEAST_RATE = 5.0
#: Cells that need entries in L2.
SEMANTIC = {"hit_semantic", "hit_semantic_known"}


def main() -> int:
    """Measure; return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run = measure(_plan(options), options.only)
    except (StackFailed, NotStarted, NotMeasurable, TimeoutError, OSError) as error:
        print(f"benchmarks: {error or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    # Quick figures are for a look: they never take the place of a whole run's.
    partial = options.quick or options.only
    file = options.output or (None if partial else RESULTS / f"{run.date[:10]}.json")
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_rounded(asdict(run)), indent=1) + "\n")
    tables = report.markdown(run)
    if options.docs and file:
        page.publish(tables, plot.svg(run), file.name)
    print(tables)
    return 0


def measure(plan: Plan, only: list[str]) -> Run:
    """Start stacks and measure the last one. Raises StackFailed, NotStarted, NotMeasurable, OSError."""
    cold, warm = [], []
    with tempfile.TemporaryDirectory(prefix="halfpenny-bench-") as name:
        folder = Path(name)
        for number in range(plan.starts):
            home = folder / f"home{number}"
            with running(home) as stack:
                cold.append(_told("ready, fresh home", stack))
            with running(home) as stack:
                warm.append(_told("ready, second start", stack))
                if number == plan.starts - 1:
                    return _with_rig(plan, stack, folder, Starts(cold_s=cold, warm_s=warm, web_s=0.0), only)
    raise AssertionError("a plan has at least one start")


def _with_rig(plan: Plan, stack: Stack, folder: Path, starts: Starts, only: list[str]) -> Run:
    processes, cores = Processes(stack.home, stack.env, stack.pid), Cores.of_this_machine()
    memory_ready = processes.memory()
    pinned = keep_apart(stack, processes.pids("web"), cores)
    embedder = seeding.embedder(stack) if plan.embedder else None
    with built(stack, folder, cores, with_peers=plan.peers) as rig:
        for part, server in rig.running.items():
            processes.add(part, server.pid)
        seeding.use_upstream(stack, f"{rig.running['upstream'].server.url}/v1")
        run = uvloop.run(_measure(plan, stack, rig, processes, only))
    return replace(
        run,
        pinned=pinned,
        embedder=embedder,
        memory_ready=memory_ready,
        starts=replace(starts, web_s=rig.running["web_l1"].ready_s),
    )


async def _measure(plan: Plan, stack: Stack, rig: Rig, processes: Processes, only: list[str]) -> Run:
    date, machine = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", _machine()
    target = Target(
        servers=_servers(stack, rig),
        keys=seeding.keys(stack),
        hot_prompts=plan.hot_prompts,
    )
    await prepare(target, semantic=not only or bool(SEMANTIC & set(only)))
    by_name = {cell.name: cell for cell in cells(target) if _wanted(cell, only)}
    skipped: dict[str, str] = {}
    done = await _take_turns(plan, by_name, processes, target, skipped)
    memory_after = processes.memory()
    opened = await open_streams.measure(plan, stack, target, rig.serving)
    grown = await _grow(plan, stack, target, by_name["echo"], processes, skipped=skipped)
    return Run(
        date=date,
        machine=machine,
        plan=plan,
        pinned="",
        peers=rig.peers,
        skipped=skipped,
        starts=Starts(cold_s=[], warm_s=[], web_s=0.0),
        cells=results.cell_results(list(by_name.values()), done),
        comparisons=results.comparisons(aims.pairs(), by_name, done),
        growth=grown,
        open_streams=opened,
        memory_ready={},
        memory_after=memory_after,
        neighbours=results.neighbours(done),
    )


def _wanted(cell: Cell, only: list[str]) -> bool:
    """Tell whether a cell is measured: all are, unless some were named."""
    streamed = cell.streams and "streams" in only
    return not only or cell.group == "rig" or streamed or cell.name in {"echo", *only}


async def _take_turns(
    plan: Plan, by_name: dict[str, Cell], processes: Processes, target: Target, skipped: dict[str, str]
) -> list[TurnResult]:
    """Take all turns. A cell whose server hangs up is left out with all its turns, and named in `skipped`.

    Raises ConnectionResetError for what others are held against.
    """
    done: list[TurnResult] = []

    async def take(turn: Turn, rate: float = 0.0) -> None:
        if turn.cell in skipped:
            return
        cell = by_name[turn.cell]
        try:
            done.append(await take_turn(turn, cell, plan, processes, target.servers["upstream"], rate=rate))
        except ConnectionResetError as error:
            if cell.group in ("rig", "baseline"):
                raise
            skipped[turn.cell] = f"the connection ended: {error}"
            return
        _tell(done[-1])

    for turn in turns(plan, list(by_name)):
        await take(turn)
    rates = {name: results.capacity(cell, done) for name, cell in by_name.items()}
    # Streams have a load of their own: many that are open at a time.
    whole = [name for name, rate in rates.items() if rate >= LEAST_RATE and not by_name[name].streams]
    for turn in open_turns(plan, whole):
        await take(turn, turn.share * rates[turn.cell])
    for name in skipped:
        by_name.pop(name, None)
    return [result for result in done if result.turn.cell in by_name]


async def _grow(
    plan: Plan, stack: Stack, target: Target, echo: Cell, processes: Processes, *, skipped: dict[str, str]
) -> list[Growth]:
    """Return the growth, or none of it when the connection ends meanwhile."""
    try:
        return await growth.measure(plan, stack, target, echo, processes)
    except ConnectionResetError as error:
        skipped["growth"] = f"the connection ended: {error}"
        return []


def _servers(stack: Stack, rig: Rig) -> dict[str, Server]:
    return {"web": Server(stack.env["HALFPENNY_URL"])} | {
        part: server.server for part, server in rig.running.items()
    }


def _told(what: str, stack: Stack) -> float:
    print(f"{what}: {stack.ready_s:.1f} s", file=sys.stderr)
    return stack.ready_s


def _tell(result: TurnResult) -> None:
    turn, sample = result.turn, result.sample
    rate = f" at {result.rate:.0f}/s" if result.rate else ""
    print(f"{turn.kind} {turn.block} {turn.cell}{rate}: {dict(sample.outcomes)}", file=sys.stderr)


def _machine() -> dict[str, str | int | float]:
    """Return facts that explain figures, and none that name the machine."""
    return {
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load before": round(os.getloadavg()[0], 2),
    }


def _rounded(value: object) -> object:
    """Return the value with floats cut to what was measured."""
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {name: _rounded(item) for name, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case _:
            return value


def _plan(options: argparse.Namespace) -> Plan:
    plan = replace(QUICK if options.quick else FULL, connections=options.connections)
    if options.peers is not None:
        plan = replace(plan, peers=options.peers)
    if not options.only:
        return plan
    return replace(
        plan,
        growth=plan.growth if "growth" in options.only else (),
        open_streams=plan.open_streams if {"streams", "open_streams"} & {*options.only} else 0,
        embedder=False,
        starts=1,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look within a minute or so; writes no file")
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="measure LiteLLM and Portkey too (default: unless --quick); installs them if need be",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CELL",
        help="these cells and the echo; no file (also: growth, open_streams; streams: all that is streamed)",
    )
    parser.add_argument(
        "--connections", type=int, default=FULL.connections, help="of the loaded turns (default: 16)"
    )
    parser.add_argument("--output", type=Path, help="write the figures to this file instead")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
