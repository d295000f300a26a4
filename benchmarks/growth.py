"""Hits drawn from more and more tenants: whether a gateway with many customers is as fast as with one."""

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

from benchmarks.cells import Cell, Target
from benchmarks.load import TurnResult, ask_all, take_turn
from benchmarks.processes import Processes
from benchmarks.results import Comparison, Growth, cell_results, comparisons
from benchmarks.schedule import Plan, Turn
from benchmarks.seeding import seed
from benchmarks.stack import Stack

PROMPT = "What is the capital of France?"
PREFIX = "bench-growth"


async def measure(plan: Plan, stack: Stack, target: Target, echo: Cell, processes: Processes) -> list[Growth]:
    """Add tenants step by step; at each, measure hits of all in turn, and the bare echo in between."""
    keys: list[str] = []
    grown: list[Growth] = []
    for count in plan.growth:
        new = seed(stack, PREFIX, first=len(keys), count=count - len(keys), semantic_mode="off")
        keys += new
        # The first question of each makes the process learn its tenant, and stores the answer.
        outcomes = await ask_all(target.web, (target.ask(PROMPT, key) for key in new), plan.connections)
        print(f"growth {count}: {dict(outcomes)}", file=sys.stderr)
        cell = _cell(target, keys)
        turns = await _turns(plan, cell, echo, processes, target)
        grown.append(_growth(count, cell, echo, turns, web_mib=processes.memory()["web"].rss))
    return _relative_to_first(grown)


def _cell(target: Target, keys: Sequence[str]) -> Cell:
    order = random.Random(1).sample(keys, len(keys))
    requests = [target.ask(PROMPT, key) for key in order]
    return Cell(
        name="growth",
        title=f"L0 hit of {len(keys)} tenants",
        group="ours",
        serving="web",
        server=target.web,
        requests=cycle(requests),
        expected=frozenset({"hit_exact"}),
        # A turn is shorter than all tenants in turn take: without it each request would be its tenant's first.
        primer=2 * requests,
    )


async def _turns(
    plan: Plan, cell: Cell, echo: Cell, processes: Processes, target: Target
) -> list[TurnResult]:
    upstream = target.servers["upstream"]
    return [
        await take_turn(Turn(cell=each.name, kind="many", block=block), each, plan, processes, upstream)
        for block in range(plan.growth_turns)
        for each in (echo, cell)
    ]


def _growth(count: int, cell: Cell, echo: Cell, turns: Sequence[TurnResult], *, web_mib: float) -> Growth:
    result = cell_results([cell], turns)["growth"]
    ratios = comparisons([("growth", "echo", "cpu")], {"growth": cell, "echo": echo}, turns)
    return Growth(
        tenants=count,
        per_second=result.per_second,
        per_cpu_second=result.per_cpu_second,
        as_expected=result.many.as_expected,
        relative=_value(ratios),
        cpu_ms={"web": result.serving_ms, **result.cpu_ms},
        web_mib=web_mib,
    )


def _value(ratios: Sequence[Comparison]) -> float | None:
    return ratios[0].ratio.value if ratios else None


def _relative_to_first(grown: Sequence[Growth]) -> list[Growth]:
    first = grown[0].relative if grown else None
    return [
        replace(step, relative=step.relative / first if step.relative and first else None) for step in grown
    ]
