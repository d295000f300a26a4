"""The arithmetic of a measurement: percentiles, medians, rates, and how sure a ratio of them is. Pure."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

#: A percentile with fewer samples beyond it than this is an accident of the run: it is not given.
LEAST_BEYOND = 10
RESAMPLES = 1000

Block = TypeVar("Block")
Count = tuple[float, float]
"""Things done, and the seconds that they took."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Latencies in ms. p95 and p99 are None where too few samples (under 200, under 1,000) carry them."""

    count: int
    p50: float
    p95: float | None
    p99: float | None
    max: float


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio and its bootstrap 95 % interval."""

    value: float
    low: float
    high: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of ascending samples; share in (0, 1]. Raises IndexError for none."""
    return ordered[math.ceil(share * len(ordered)) - 1]


def tail(ordered: Sequence[float], share: float) -> float | None:
    """Return the percentile, or None if fewer than LEAST_BEYOND samples lie beyond it."""
    beyond = len(ordered) - math.ceil(share * len(ordered))
    return percentile(ordered, share) if beyond >= LEAST_BEYOND else None


def latency_of(samples_s: Sequence[float]) -> Latency | None:
    """Sum up latencies given in seconds; None if there are none."""
    if not samples_s:
        return None
    ordered = sorted(1000 * sample for sample in samples_s)
    return Latency(
        count=len(ordered),
        p50=percentile(ordered, 0.50),
        p95=tail(ordered, 0.95),
        p99=tail(ordered, 0.99),
        max=ordered[-1],
    )


def ratio_of_medians(
    blocks: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]], *, seed: int = 1
) -> Ratio | None:
    """Compare the medians of samples with those of a baseline measured in turn with it.

    Block i of both was measured one after the other. Whole pairs of blocks are drawn anew, not single samples:
    neighbours' noise lasts longer than one request. None if no block of both has samples.
    """
    pairs = [(mine, theirs) for mine, theirs in zip(blocks, baseline, strict=True) if mine and theirs]
    return _bootstrap(pairs, _of_medians, seed)


def ratio_of_rates(blocks: Sequence[Count], baseline: Sequence[Count], *, seed: int = 1) -> Ratio | None:
    """Compare things done a second, block by block as above. None if there is no block that did anything."""
    pairs = [(mine, theirs) for mine, theirs in zip(blocks, baseline, strict=True) if all((*mine, *theirs))]
    return _bootstrap(pairs, _of_rates, seed)


def _bootstrap(
    pairs: Sequence[tuple[Block, Block]], ratio: Callable[[Sequence[tuple[Block, Block]]], float], seed: int
) -> Ratio | None:
    if not pairs:
        return None
    chance = random.Random(seed)
    drawn = sorted(ratio(chance.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    return Ratio(value=ratio(pairs), low=percentile(drawn, 0.025), high=percentile(drawn, 0.975))


def _of_medians(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    mine = median([sample for block, _ in pairs for sample in block])
    return mine / median([sample for _, block in pairs for sample in block])


def _of_rates(pairs: Sequence[tuple[Count, Count]]) -> float:
    mine, theirs = (
        sum(pair[side][0] for pair in pairs) / sum(pair[side][1] for pair in pairs) for side in (0, 1)
    )
    return mine / theirs
