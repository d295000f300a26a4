"""What many open streams come to: gaps between pieces, and what the gateway's process spends on each. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from benchmarks.figures import Latency, latency_of

KB_IN_MIB = 1024.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """The gateway's process at a moment (perf_counter): its CPU-seconds so far, its resident memory, and its
    connections to Postgres: all, and those that were not idle."""

    at: float
    cpu_s: float
    rss_mib: float
    connections: int
    connections_in_use: int


@dataclass(kw_only=True)
class Block:
    """As many streams as were open at a time. before, looks: of the gateway's process, where that served them.

    first_pieces: seconds from the question to the first piece. pieces: when each stream's came (perf_counter).
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    first_pieces: list[float] = field(default_factory=list)
    pieces: list[list[float]] = field(default_factory=list)
    before: Look | None = None
    looks: list[Look] = field(default_factory=list)

    @property
    def window(self) -> tuple[float, float]:
        """From when the last stream had begun until the first one ended: all of them were open."""
        begun = [times for times in self.pieces if times]
        return max(times[0] for times in begun), min(times[-1] for times in begun)

    def gaps(self) -> list[float]:
        """Return the seconds between two pieces of a stream while all were open."""
        since, until = self.window
        return [
            after - before
            for times in self.pieces
            for before, after in pairwise(times)
            if since <= before and after <= until
        ]

    def looks_within(self) -> list[Look]:
        """Return the looks at the process while all were open."""
        since, until = self.window
        return [look for look in self.looks if since <= look.at <= until]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How pieces came one way, directly or through the gateway. gap_p99_by_block_ms: of each block."""

    outcomes: dict[str, int]
    as_expected: float
    first_ms: Latency | None
    gap_ms: Latency | None
    gap_p99_by_block_ms: list[float]


@dataclass(frozen=True, kw_only=True)
class OpenStreams:
    """So many streams at a time, directly and through the gateway, block by block in turn.

    rss_kb_by_block: growth of the gateway's resident memory for each open stream; the first block's is that of a
    process that never had as many before. connections: to Postgres, before and at most while all were open;
    of the latter in use at most, and in the median look. cpu_share: of a core. cpu_us_per_piece: of the
    gateway's process, all that it does included.
    """

    streams: int
    apart_ms: float
    direct: Way
    through: Way
    rss_kb_by_block: list[float]
    connections_before: int
    connections: int
    connections_in_use: int
    connections_in_use_median: float
    looks: int
    cpu_share: float
    cpu_us_per_piece: float

    @property
    def added_gap_p99_ms(self) -> float | None:
        """Return by how much the gateway's 99th percentile of the gaps exceeds that of the upstream itself."""
        ends = [way.gap_ms.p99 if way.gap_ms else None for way in (self.through, self.direct)]
        return None if ends[0] is None or ends[1] is None else ends[0] - ends[1]

    @property
    def rss_kb(self) -> float:
        """Return the growth for a stream, of the block in which it was largest."""
        return max(self.rss_kb_by_block)


def open_streams(
    direct: Sequence[Block], through: Sequence[Block], *, streams: int, apart_ms: float, expected: str
) -> OpenStreams:
    """Return the figures. Raises ValueError when no stream came, or nothing was seen of the process meanwhile."""
    looks = [look for block in through for look in block.looks_within()]
    befores = [block.before for block in through if block.before]
    spent, seconds, pieces = map(sum, zip(*map(_spent, through), strict=True))
    in_use = [look.connections_in_use for look in looks]
    return OpenStreams(
        streams=streams,
        apart_ms=apart_ms,
        direct=_way(direct, "200"),
        through=_way(through, expected),
        rss_kb_by_block=[_growth_kb(block, streams) for block in through],
        connections_before=max(look.connections for look in befores),
        connections=max(look.connections for look in looks),
        connections_in_use=max(in_use),
        connections_in_use_median=median(in_use),
        looks=len(looks),
        cpu_share=spent / seconds,
        cpu_us_per_piece=1e6 * spent / pieces,
    )


def _way(blocks: Sequence[Block], expected: str) -> Way:
    outcomes = sum((block.outcomes for block in blocks), Counter[str]())
    by_block = [latency_of(block.gaps()) for block in blocks]
    return Way(
        outcomes=dict(outcomes),
        as_expected=outcomes[expected] / max(1, outcomes.total()),
        first_ms=latency_of(_all(block.first_pieces for block in blocks)),
        gap_ms=latency_of(_all(block.gaps() for block in blocks)),
        gap_p99_by_block_ms=[gaps.p99 for gaps in by_block if gaps and gaps.p99 is not None],
    )


def _spent(block: Block) -> tuple[float, float, int]:
    """Return CPU-seconds and seconds between the first and the last look, and the pieces that came meanwhile."""
    looks = block.looks_within()
    first, last = looks[0], looks[-1]
    pieces = sum(first.at <= time <= last.at for times in block.pieces for time in times)
    return last.cpu_s - first.cpu_s, last.at - first.at, pieces


def _growth_kb(block: Block, streams: int) -> float:
    most = max(look.rss_mib for look in block.looks_within())
    before = block.before.rss_mib if block.before else most
    return KB_IN_MIB * (most - before) / streams


def _all(parts: Iterable[Sequence[float]]) -> list[float]:
    return [value for part in parts for value in part]
