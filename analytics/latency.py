"""Latency histogram: 160 bins, each 10 % wider than the one before, from 0.1 ms to six minutes (pure).

Bin i holds latencies below 0.1 ms * 1.1 ** i and not below the bound of bin i - 1; the last one has no upper
bound. A percentile is the geometric middle of its bin, so it is off by 5 % at most.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping

_LEAST_MS = 0.1
_GROWTH = 1.1
_BINS = 160
_BOUNDS = [_LEAST_MS * _GROWTH**i for i in range(_BINS - 1)]

#: The SQL expression of `bin_of(total_ms)`.
BIN_SQL = f"width_bucket(total_ms, ARRAY[{', '.join(map(repr, _BOUNDS))}]::double precision[])"


def bin_of(ms: float) -> int:
    """Return the bin of a latency in milliseconds."""
    return bisect_right(_BOUNDS, ms)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the latency in milliseconds that `share` (0..1) of the calls stay within, or None without calls.

    counts: calls by bin (nearest-rank definition).
    """
    rank = max(1, math.ceil(share * sum(counts.values())))
    seen = 0
    for bin_index in sorted(counts):
        seen += counts[bin_index]
        if seen >= rank:
            return _middle(bin_index)
    return None


def _middle(bin_index: int) -> float:
    middle: float = _LEAST_MS * _GROWTH ** (bin_index - 0.5)
    return middle
