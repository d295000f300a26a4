"""`python -m benchmarks`: measure a stack of its own in a temporary folder, and write down what came out.

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

from benchmarks import report, results
from benchmarks.cells import Target, cells
from benchmarks.client import Server
from benchmarks.load import NotMeasurable, TurnResult, prepare, take_turn
from benchmarks.processes import Processes
from benchmarks.results import Run, Starts
from benchmarks.schedule import FULL, QUICK, Plan, turns
from benchmarks.stack import Stack, StackFailed, running

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure; return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run = measure(replace(QUICK if options.quick else FULL, connections=options.connections))
    except (StackFailed, NotMeasurable, TimeoutError, OSError) as error:
        print(f"benchmarks: {error or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    # Quick figures are for a look: they never take the place of a whole run's.
    file = options.output or (None if options.quick else RESULTS / f"{run.date[:10]}.json")
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_rounded(asdict(run)), indent=1) + "\n")
    print(report.markdown(run))
    return 0


def measure(plan: Plan) -> Run:
    """Start stacks and measure the last one. Raises StackFailed, NotMeasurable, OSError."""
    cold, warm = [], []
    with tempfile.TemporaryDirectory(prefix="halfpenny-bench-") as folder:
        for number in range(plan.starts):
            home = Path(folder) / f"home{number}"
            with running(home) as stack:
                cold.append(_told("ready, fresh home", stack))
            with running(home) as stack:
                warm.append(_told("ready, second start", stack))
                if number == plan.starts - 1:
                    return uvloop.run(_measure(plan, stack, Starts(cold_s=cold, warm_s=warm)))
    raise AssertionError("a plan has at least one start")


async def _measure(plan: Plan, stack: Stack, starts: Starts) -> Run:
    date, machine = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", _machine()
    target = Target(
        web=Server(stack.env["HALFPENNY_URL"]),
        upstream=Server(stack.env["HALFPENNY_UPSTREAM_URL"]),
        key=stack.env["HALFPENNY_KEY"],
    )
    processes = Processes(stack.home, stack.env, stack.pid)
    memory_ready = processes.memory()
    await prepare(target)
    by_name = {cell.name: cell for cell in cells(target)}
    done: list[TurnResult] = []
    for turn in turns(plan, list(by_name)):
        done.append(await take_turn(turn, by_name[turn.cell], plan, processes, target.upstream))
        print(f"{turn.kind} {turn.block} {turn.cell}: {dict(done[-1].outcomes)}", file=sys.stderr)
    return Run(
        date=date,
        machine=machine,
        plan=plan,
        starts=starts,
        cells=results.cell_results(list(by_name.values()), done),
        memory_ready=memory_ready,
        memory_after=processes.memory(),
        neighbours=results.neighbours(done),
    )


def _told(what: str, stack: Stack) -> float:
    print(f"{what}: {stack.ready_s:.1f} s", file=sys.stderr)
    return stack.ready_s


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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look within a minute; writes no file")
    parser.add_argument(
        "--connections", type=int, default=FULL.connections, help="of the throughput turns (default: 16)"
    )
    parser.add_argument("--output", type=Path, help="write the figures to this file instead")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
