from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.latency import bin_of, percentile
from analytics.models import LATENCY_BINS


@pytest.mark.parametrize(
    ("ms", "expected"), [(0.0, 0), (0.0999, 0), (0.1, 1), (0.1101, 2), (1.0, 25), (1e9, 159)]
)
def test_a_latency_has_its_bin(ms: float, expected: int) -> None:
    assert bin_of(ms) == expected


@given(st.floats(min_value=0.1, max_value=300_000))
def test_the_middle_of_a_bin_is_within_five_percent(ms: float) -> None:
    assert percentile({bin_of(ms): 1}, 0.5) == pytest.approx(ms, rel=0.05)


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1), st.floats(min_value=0, max_value=1))
def test_a_percentile_is_the_bin_of_the_nearest_rank(latencies: list[float], share: float) -> None:
    bins = Counter(map(bin_of, latencies))
    rank = max(1, -int(-share * len(latencies) // 1))
    assert percentile(bins, share) == percentile({bin_of(sorted(latencies)[rank - 1]): 1}, 0.5)


@given(st.floats(allow_nan=True))
def test_every_float_has_a_bin(ms: float) -> None:
    assert 0 <= bin_of(ms) < LATENCY_BINS


def test_no_calls_have_no_percentile() -> None:
    assert percentile({}, 0.5) is None
