"""Draws by Zipf's law: few are asked for very often, most hardly ever. Pure."""

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate


class Zipf:
    """Draws numbers 0..count-1; the n-th most frequent with a weight of 1 / n ** exponent."""

    def __init__(self, count: int, *, exponent: float = 1.0, seed: int = 1) -> None:
        self._weights = list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))
        self._numbers = range(count)
        self._chance = random.Random(seed)

    def draw(self, times: int) -> Sequence[int]:
        """Return so many numbers."""
        return self._chance.choices(self._numbers, cum_weights=self._weights, k=times)

    def below(self, most: int) -> int:
        """Return one number under `most`, by the same law: what is asked again when only so many were asked."""
        return bisect(self._weights, self._chance.random() * self._weights[most - 1], hi=most - 1)
