"""Many streams open at a time: asked of the upstream itself and through a web process of their own, in turn."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice, repeat

import psutil
import psycopg

from benchmarks.cells import Target
from benchmarks.client import Connection, Connections, Server
from benchmarks.processes import MIB
from benchmarks.rig import another_web
from benchmarks.schedule import Plan
from benchmarks.servers import running
from benchmarks.stack import Stack
from benchmarks.stream_figures import Block, Look, OpenStreams, open_streams

APART_MS = 200
LOOK_SECONDS = 0.5
#: Beyond the time that all streams take: none that is in order needs it.
SPARE_SECONDS = 30.0
#: Before the first block, so that what is loaded once is not counted as a stream's.
FIRST_STREAMS, FIRST_SECONDS = 8, 1.0
PART = "web_streams"


async def measure(
    plan: Plan, stack: Stack, target: Target, cores: frozenset[int] | None
) -> OpenStreams | None:
    """Return the figures; None if the plan has no open streams. Raises NotStarted, OSError, TimeoutError.

    The process is fresh, since one that has served other load has room that streams would not show in.
    """
    if not plan.open_streams:
        return None
    upstream, direct, through = target.servers["upstream"], list[Block](), list[Block]()
    with running(another_web(stack, PART), stack.home.parent, cores) as web:
        first = list(islice(_questions(target, FIRST_SECONDS), FIRST_STREAMS))
        await _together(web.server, first, seconds=FIRST_SECONDS)
        questions, seconds = _questions(target, plan.stream_seconds), plan.stream_seconds
        async with watching(stack, web.pid) as watch:
            for number in range(plan.stream_blocks):
                asked = [_direct(target, seconds) for _ in range(plan.open_streams)]
                direct.append(await _together(upstream, asked, seconds=seconds))
                _tell(number, "directly", direct[-1])
                asked = list(islice(questions, plan.open_streams))
                through.append(await _together(web.server, asked, seconds=seconds, watch=watch))
                _tell(number, "through the gateway", through[-1])
    return open_streams(direct, through, streams=plan.open_streams, apart_ms=APART_MS, expected="miss")


def _questions(target: Target, seconds: float) -> Iterator[bytes]:
    """Yield questions of the gateway, each with an answer of its own that comes slowly."""
    for prompt in map(_slowly, target.fresh(), repeat(seconds)):
        # Every web process of the stack takes it: the host in it is not looked at.
        yield target.completion("web", prompt, target.keys.exact, model="auto", stream=True)


def _direct(target: Target, seconds: float) -> bytes:
    return target.completion("upstream", _slowly(target.hot[0], seconds), "none", stream=True)


def _slowly(prompt: str, seconds: float) -> str:
    """Return the prompt with what the upstream understands (baselines.apps.PACED)."""
    return f"{prompt} ({round(1000 * seconds / APART_MS)} pieces, {APART_MS} ms apart)"


async def _together(
    server: Server, requests: Sequence[bytes], *, seconds: float, watch: "Watch | None" = None
) -> Block:
    """Ask all on connections of their own, their starts spread at random over a fifth of the time."""
    block = Block(before=await watch.look() if watch else None)
    chance = random.Random(1)

    async def ask_on(connection: Connection, request: bytes) -> None:
        await asyncio.sleep(chance.uniform(0.0, seconds / 5))
        asked = time.perf_counter()
        block.outcomes[await connection.ask(request)] += 1
        times = list(connection.answer.piece_times)
        block.first_pieces += [first - asked for first in times[:1]]
        block.pieces.append(times)

    looking = asyncio.ensure_future(watch.keep_looking(block.looks)) if watch else None
    try:
        async with Connections(server, len(requests)) as opened, asyncio.timeout(2 * seconds + SPARE_SECONDS):
            await asyncio.gather(*map(ask_on, opened, requests))
    finally:
        if looking is not None:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
    return block


class Watch:
    """Looks at a web process while it serves."""

    def __init__(self, process: psutil.Process, database: psycopg.AsyncConnection[tuple[int, str]]) -> None:
        self._process = process
        self._database = database
        self._owned: dict[int, bool] = {}

    async def keep_looking(self, looks: list[Look]) -> None:
        """Add a look every LOOK_SECONDS until cancelled."""
        while True:
            looks.append(await self.look())
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Look:
        """Return how the process stands. Raises psycopg.Error, psutil.Error."""
        found = await self._database.execute(
            "SELECT client_port, coalesce(state, '') FROM pg_stat_activity WHERE client_port > 0"
        )
        states = [state for port, state in await found.fetchall() if self._owns(port)]
        cpu = self._process.cpu_times()
        return Look(
            at=time.perf_counter(),
            cpu_s=cpu.user + cpu.system,
            rss_mib=self._process.memory_info().rss / MIB,
            connections=len(states),
            connections_in_use=sum(state != "idle" for state in states),
        )

    def _owns(self, port: int) -> bool:
        """Tell whether a port is the process's. Only new ones are looked up: that takes milliseconds."""
        if port not in self._owned:
            own = {each.laddr.port for each in self._process.net_connections("tcp") if each.laddr}
            self._owned[port] = port in own
        return self._owned[port]


@asynccontextmanager
async def watching(stack: Stack, pid: int) -> AsyncIterator[Watch]:
    """Give what looks at a process. Raises psycopg.OperationalError."""
    async with await psycopg.AsyncConnection[tuple[int, str]].connect(
        stack.env["HALFPENNY_DATABASE_URL"], autocommit=True
    ) as database:
        yield Watch(psutil.Process(pid), database)


def _tell(number: int, way: str, block: Block) -> None:
    print(f"open streams {number} {way}: {dict(block.outcomes)}", file=sys.stderr)
