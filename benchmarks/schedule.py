"""In what order the cells are measured. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["single", "many", "open"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured."""

    starts: int
    """Homes in which the stack is started cold and then warm."""
    rounds: int
    slices: int
    """Turns of each cell with one connection, in a round."""
    slice_requests: int
    slice_seconds: float
    """Such a turn ends after so many requests or seconds, whichever comes first."""
    burst_seconds: float
    """Length of a turn with many connections; each cell has one in a round."""
    connections: int
    shares: tuple[float, ...]
    """Rates of the open loop, as shares of what a cell reached with many connections."""
    open_seconds: float
    open_connections: int
    hot_prompts: int
    """Different prompts that hits are drawn from."""
    growth: tuple[int, ...]
    """Numbers of tenants, rising."""
    growth_turns: int
    open_streams: int
    """Streams that are open at a time; 0: not measured."""
    stream_seconds: float
    """How long each of them lasts."""
    stream_blocks: int
    """How often as many are opened directly and through the gateway."""
    peers: bool
    embedder: bool
    """Whether the embedder is measured alone, too."""


FULL = Plan(
    starts=2,
    rounds=3,
    slices=1,
    slice_requests=600,
    slice_seconds=1.2,
    burst_seconds=2.0,
    connections=16,
    shares=(0.25, 0.5, 0.75),
    open_seconds=2.5,
    open_connections=64,
    hot_prompts=5000,
    growth=(1, 100, 1_000, 10_000),
    growth_turns=2,
    open_streams=300,
    stream_seconds=20.0,
    stream_blocks=3,
    peers=True,
    embedder=True,
)
QUICK = Plan(
    starts=1,
    rounds=1,
    slices=1,
    slice_requests=100,
    slice_seconds=0.3,
    burst_seconds=0.6,
    connections=16,
    shares=(0.5,),
    open_seconds=0.6,
    open_connections=64,
    hot_prompts=500,
    growth=(),
    growth_turns=0,
    open_streams=300,
    stream_seconds=5.0,
    stream_blocks=1,
    peers=False,
    embedder=False,
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One cell's go. Turns of the same kind and block were measured right after each other.

    share: of the cell's capacity, in the open loop.
    """

    cell: str
    kind: Kind
    block: int
    share: float = 0.0


def turns(plan: Plan, cells: Sequence[str]) -> list[Turn]:
    """Return the closed-loop turns in order: round robin over the cells, so that noise hits all alike.

    Each pass begins one cell later, so that no cell always follows the same other one.
    """
    ordered: list[Turn] = []
    for number in range(plan.rounds):
        for part in range(plan.slices):
            block = number * plan.slices + part
            ordered += [Turn(cell=cell, kind="single", block=block) for cell in _from(cells, block)]
        ordered += [Turn(cell=cell, kind="many", block=number) for cell in _from(cells, number)]
    return ordered


def open_turns(plan: Plan, cells: Sequence[str]) -> list[Turn]:
    """Return the open-loop turns in order; they come last, since they need the capacities."""
    return [
        Turn(cell=cell, kind="open", block=block, share=share)
        for block, share in enumerate(plan.shares)
        for cell in _from(cells, block)
    ]


def _from(cells: Sequence[str], first: int) -> list[str]:
    at = first % len(cells)
    return [*cells[at:], *cells[:at]]
