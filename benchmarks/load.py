"""Puts a cell's load on its server, and says what became of it and what it cost."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmarks import prompts
from benchmarks.cells import PEER_PROMPTS, Cell, Target
from benchmarks.client import Connection, Connections, Server
from benchmarks.open_loop import OpenLoop, open_loop
from benchmarks.peers import recipes
from benchmarks.processes import Processes, machine_seconds, own_seconds
from benchmarks.schedule import Plan, Turn

#: What a request leaves to be done after its answer (storing, recording) belongs to its own turn.
SETTLE_SECONDS = 0.3
STORED_SECONDS = 60.0
MOST_UNSTORED = 0.01
CALM_SECONDS = 5.0
ANSWER_SECONDS = 30.0


class NotMeasurable(Exception):
    """The stack does not do what a cell is about."""


@dataclass(kw_only=True)
class Sample:
    """What a load showed: seconds, latencies and outcomes of all requests.

    first_pieces, gaps: of streams, the time to the first piece and between two of them. lags, unanswered: of
    the open loop (open_loop.OpenLoop).
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    first_pieces: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    unanswered: int = 0


@dataclass(frozen=True, kw_only=True)
class TurnResult:
    """What one turn showed. CPU in seconds; `neighbours`: the share of the machine that others used."""

    turn: Turn
    sample: Sample
    rate: float
    """Requests due in a second, in the open loop; otherwise 0."""
    cpu: dict[str, float]
    generator_cpu: float
    neighbours: float
    upstream_calls: int


async def prepare(target: Target, *, semantic: bool) -> None:
    """Store the answers that hits are to find; `semantic`: L2 entries and vectors of the known wordings, too.

    Raises NotMeasurable when the semantic cache does not answer.
    """
    await ask_all(target.web, [target.ask(prompt, target.keys.exact) for prompt in target.hot], 16)
    if "litellm" in target.servers:
        asked = [target.completion("litellm", p, recipes.LITELLM_KEY) for p in target.hot[:PEER_PROMPTS]]
        await ask_all(target.servers["litellm"], asked, 4)
    if semantic:
        # Each is asked again while its text could not be embedded: there is no L2 entry without a vector.
        stored = [target.ask(prompt, mode="refresh") for prompt in prompts.stored()]
        await _ask_until(target.web, stored, "refresh")
        known = [target.ask(prompt, mode="read_only") for prompt in prompts.rephrased_alike()]
        await _ask_until(target.web, known, "hit_semantic")


async def _ask_until(server: Server, requests: Sequence[bytes], expected: str) -> None:
    """Ask each, one after the other, until nearly all had the outcome. Raises NotMeasurable."""
    deadline = time.monotonic() + STORED_SECONDS
    left, outcomes = list(requests), Counter[str]()
    async with Connections(server, 1) as [connection]:
        while len(left) > MOST_UNSTORED * len(requests):
            if time.monotonic() > deadline:
                raise NotMeasurable(f"not {expected} in time: {dict(outcomes)}")
            answered = [(request, await connection.ask(request)) for request in left]
            outcomes = Counter(outcome for _, outcome in answered)
            left = [request for request, outcome in answered if outcome != expected]


async def take_turn(
    turn: Turn, cell: Cell, plan: Plan, processes: Processes, upstream: Server, *, rate: float = 0.0
) -> TurnResult:
    """Put the cell's load on its server; `rate` in requests a second, for the open loop. Raises OSError."""
    await _await_expected(cell)
    await ask_all(cell.server, cell.primer, plan.connections)
    calls = await _upstream_calls(upstream)
    cpu, own, (busy, had) = processes.cpu_seconds(), own_seconds(), machine_seconds()
    sample = await _load(turn, cell, plan, rate)
    generator = own_seconds() - own
    await asyncio.sleep(SETTLE_SECONDS)
    used = {part: after - cpu.get(part, 0.0) for part, after in processes.cpu_seconds().items()}
    busy_after, had_after = machine_seconds()
    others = (busy_after - busy) - sum(used.values()) - (own_seconds() - own)
    return TurnResult(
        turn=turn,
        sample=sample,
        rate=rate,
        cpu=used,
        generator_cpu=generator,
        neighbours=max(0.0, others / max(had_after - had, 1e-9)),
        upstream_calls=await _upstream_calls(upstream) - calls,
    )


async def _load(turn: Turn, cell: Cell, plan: Plan, rate: float) -> Sample:
    match turn.kind:
        case "single":
            return await closed_loop(
                cell, connections=1, most=plan.slice_requests, limit_s=plan.slice_seconds
            )
        case "many":
            return await closed_loop(
                cell, connections=plan.connections, most=None, limit_s=plan.burst_seconds
            )
        case "open":
            # It has the event loop wait for its end: nothing else is to happen meanwhile.
            return _sample_of(
                open_loop(
                    cell.server,
                    cell.requests,
                    rate=rate,
                    seconds=plan.open_seconds,
                    connections=plan.open_connections,
                )
            )


def _sample_of(found: OpenLoop) -> Sample:
    return Sample(
        seconds=found.seconds,
        latencies=found.latencies,
        outcomes=found.outcomes,
        lags=found.lags,
        unanswered=found.unanswered,
    )


async def closed_loop(cell: Cell, *, connections: int, most: int | None, limit_s: float) -> Sample:
    """Ask again as soon as there is an answer, on each connection, until `limit_s` or `most` requests."""
    sample = Sample()
    async with Connections(cell.server, connections) as opened:
        started = time.perf_counter()
        until = started + limit_s

        async def ask_on(connection: Connection) -> None:
            while (asked := time.perf_counter()) < until and (most is None or len(sample.latencies) < most):
                request = next(cell.requests, None)
                if request is None:
                    return
                sample.outcomes[await connection.ask(request)] += 1
                sample.latencies.append(time.perf_counter() - asked)
                if cell.streams:
                    _note_pieces(sample, connection.answer.piece_times, asked)

        async with asyncio.timeout(limit_s + ANSWER_SECONDS):
            await asyncio.gather(*map(ask_on, opened))
        sample.seconds = time.perf_counter() - started
    return sample


def _note_pieces(sample: Sample, times: Sequence[float], asked: float) -> None:
    sample.first_pieces += [time - asked for time in times[:1]]
    sample.gaps += [after - before for before, after in pairwise(times)]


async def _await_expected(cell: Cell) -> None:
    """Ask until the outcome is the expected one, so that no cell pays for a breaker that another one opened.

    Goes on after CALM_SECONDS: what follows then shows how the cell is.
    """
    deadline = time.monotonic() + CALM_SECONDS
    async with Connections(cell.server, 1) as [connection]:
        while time.monotonic() < deadline and (request := next(cell.requests, None)):
            if await connection.ask(request) in cell.expected:
                return
            await asyncio.sleep(0.05)


async def ask_all(server: Server, requests: Iterable[bytes], connections: int = 2) -> Counter[str]:
    """Ask everything once and return how often there was which outcome. Raises OSError."""
    outcomes: Counter[str] = Counter()
    left = iter(requests)

    async def ask_on(connection: Connection) -> None:
        for request in left:
            outcomes[await connection.ask(request)] += 1

    async with Connections(server, connections) as opened:
        await asyncio.gather(*map(ask_on, opened))
    return outcomes


async def _upstream_calls(upstream: Server) -> int:
    async with Connections(upstream, 1) as [connection]:
        await connection.ask(upstream.get("/ledger"))
        report: dict[str, Any] = json.loads(connection.answer.body)
        return int(report["calls"])
