"""The measurement itself: every turn of the schedule against a running stack."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import prompts
from benchmarks.cells import Cell, Target
from benchmarks.client import Connection, Connections, Server
from benchmarks.processes import Processes, machine_seconds, own_seconds
from benchmarks.schedule import Plan, Turn

#: What a request leaves to be done after its answer (storing, recording) belongs to its own turn.
SETTLE_SECONDS = 0.3
STORED_SECONDS = 10.0
CALM_SECONDS = 5.0
ANSWER_SECONDS = 30.0


class NotMeasurable(Exception):
    """The stack does not do what a cell is about."""


@dataclass(frozen=True, kw_only=True)
class TurnResult:
    """What one turn showed. CPU in seconds; `neighbours`: the share of the machine that others used."""

    turn: Turn
    seconds: float
    latencies: list[float]
    outcomes: Counter[str]
    cpu: dict[str, float]
    generator_cpu: float
    neighbours: float
    upstream_calls: int


async def prepare(target: Target) -> None:
    """Store the answers that hits are to find, and the vectors of the known wordings.

    Raises NotMeasurable when the semantic cache does not answer.
    """
    await _ask_all(target.web, [target.ask(prompt) for prompt in prompts.stored()])
    known = [target.ask(prompt, mode="read_only") for prompt in prompts.rephrased_alike()]
    deadline = time.monotonic() + STORED_SECONDS
    while True:
        outcomes = await _ask_all(target.web, known)
        if outcomes["hit_semantic"] >= 0.99 * len(known):
            return
        if time.monotonic() > deadline:
            raise NotMeasurable(f"rephrased questions are no semantic hits: {dict(outcomes)}")


async def take_turn(turn: Turn, cell: Cell, plan: Plan, processes: Processes, upstream: Server) -> TurnResult:
    """Put the cell's load on the stack and say what became of it, and what it cost."""
    latency = turn.kind == "latency"
    await _await_expected(cell)
    calls = await _upstream_calls(upstream)
    cpu, own, (busy, had) = processes.cpu_seconds(), own_seconds(), machine_seconds()
    seconds, latencies, outcomes = await closed_loop(
        cell,
        connections=1 if latency else plan.connections,
        most=plan.slice_requests if latency else None,
        limit_s=plan.slice_seconds if latency else plan.burst_seconds,
    )
    generator = own_seconds() - own
    await asyncio.sleep(SETTLE_SECONDS)
    used = {part: after - cpu.get(part, 0.0) for part, after in processes.cpu_seconds().items()}
    busy_after, had_after = machine_seconds()
    others = (busy_after - busy) - sum(used.values()) - (own_seconds() - own)
    return TurnResult(
        turn=turn,
        seconds=seconds,
        latencies=latencies,
        outcomes=outcomes,
        cpu=used,
        generator_cpu=generator,
        neighbours=max(0.0, others / max(had_after - had, 1e-9)),
        upstream_calls=await _upstream_calls(upstream) - calls,
    )


async def closed_loop(
    cell: Cell, *, connections: int, most: int | None, limit_s: float
) -> tuple[float, list[float], Counter[str]]:
    """Ask again as soon as there is an answer, on each connection, until `limit_s` or `most` requests.

    Returns the seconds that it took, the latencies in seconds, and how often there was which outcome.
    """
    latencies: list[float] = []
    outcomes: Counter[str] = Counter()
    async with Connections(cell.server, connections) as opened:
        started = time.perf_counter()
        until = started + limit_s

        async def ask_on(connection: Connection) -> None:
            while (asked := time.perf_counter()) < until and (most is None or len(latencies) < most):
                request = next(cell.requests, None)
                if request is None:
                    return
                outcomes[await connection.ask(request)] += 1
                latencies.append(time.perf_counter() - asked)

        async with asyncio.timeout(limit_s + ANSWER_SECONDS):
            await asyncio.gather(*map(ask_on, opened))
        return time.perf_counter() - started, latencies, outcomes


async def _await_expected(cell: Cell) -> None:
    """Ask until the outcome is the expected one, so that no cell pays for a breaker that another one opened.

    Goes on after CALM_SECONDS: what follows then shows how the cell is.
    """
    deadline = time.monotonic() + CALM_SECONDS
    async with Connections(cell.server, 1) as [connection]:
        while time.monotonic() < deadline and (request := next(cell.requests, None)):
            if await connection.ask(request) == cell.expected:
                return
            await asyncio.sleep(0.05)


async def _ask_all(server: Server, requests: list[bytes]) -> Counter[str]:
    async def ask_on(connection: Connection, left: Iterator[bytes]) -> None:
        for request in left:
            outcomes[await connection.ask(request)] += 1

    outcomes: Counter[str] = Counter()
    shared = iter(requests)
    async with Connections(server, 2) as opened:
        await asyncio.gather(*(ask_on(connection, shared) for connection in opened))
    return outcomes


async def _upstream_calls(upstream: Server) -> int:
    async with Connections(upstream, 1) as [connection]:
        await connection.ask(upstream.get("/ledger"))
        report: dict[str, Any] = json.loads(connection.body)
        return int(report["calls"])
