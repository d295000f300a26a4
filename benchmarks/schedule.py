"""In what order the cells are measured. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["latency", "throughput"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured."""

    starts: int
    """Homes in which the stack is started cold and then warm."""
    rounds: int
    slices: int
    """Latency turns of each cell in a round."""
    slice_requests: int
    slice_seconds: float
    """A latency turn ends after so many requests or seconds, whichever comes first."""
    burst_seconds: float
    """Length of a throughput turn; each cell has one in a round."""
    connections: int
    """Of a throughput turn; a latency turn has one."""


FULL = Plan(
    starts=3,
    rounds=5,
    slices=4,
    slice_requests=60,
    slice_seconds=4.0,
    burst_seconds=5.0,
    connections=16,
)
QUICK = Plan(
    starts=1,
    rounds=1,
    slices=2,
    slice_requests=30,
    slice_seconds=1.0,
    burst_seconds=1.0,
    connections=16,
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One cell's go. Turns of the same kind and block were measured right after each other."""

    cell: str
    kind: Kind
    block: int


def turns(plan: Plan, cells: Sequence[str]) -> list[Turn]:
    """Return all turns in order: round robin over the cells, so that neighbours' noise hits all alike.

    Each pass begins one cell later, so that no cell always follows the same other one.
    """
    ordered: list[Turn] = []
    for number in range(plan.rounds):
        for part in range(plan.slices):
            block = number * plan.slices + part
            ordered += [Turn(cell=cell, kind="latency", block=block) for cell in _from(cells, block)]
        ordered += [Turn(cell=cell, kind="throughput", block=number) for cell in _from(cells, number)]
    return ordered


def _from(cells: Sequence[str], first: int) -> list[str]:
    at = first % len(cells)
    return [*cells[at:], *cells[:at]]
