import pytest

from benchmarks.figures import Ratio, latency_of, percentile, ratio_of_medians, ratio_of_rates, tail


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, 1), (0.5, 50), (0.501, 51), (0.95, 95), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(199, 0.95, None), (200, 0.95, 189), (999, 0.99, None), (1000, 0.99, 989)],
)
def test_a_tail_needs_ten_samples_beyond_it(count: int, share: float, expected: int | None) -> None:
    assert tail(range(count), share) == expected


def test_latencies_are_told_in_milliseconds_whatever_their_order() -> None:
    latency = latency_of([0.003, 0.001, 0.002])

    assert latency is not None
    assert (latency.count, latency.p50, latency.max) == (3, 2.0, 3.0)
    assert latency.p95 is None
    assert latency.p99 is None


def test_no_samples_have_no_latency() -> None:
    assert latency_of([]) is None


def test_equal_blocks_have_a_sure_ratio() -> None:
    ratio = ratio_of_medians([[4.0, 4.0]] * 3, [[2.0, 2.0]] * 3)

    assert ratio == Ratio(value=2.0, low=2.0, high=2.0)


def test_the_interval_holds_the_ratio_and_widens_with_the_noise() -> None:
    baseline = [[1.0]] * 8
    calm = ratio_of_medians([[2.9], [3.0], [3.1], [3.0]] * 2, baseline)
    noisy = ratio_of_medians([[1.0], [3.0], [9.0], [3.0]] * 2, baseline)

    assert calm
    assert noisy
    assert calm.low <= calm.value <= calm.high
    assert noisy.high - noisy.low > calm.high - calm.low


def test_noise_that_hits_both_cells_of_a_block_leaves_their_ratio_alone() -> None:
    baseline = [[1.0], [5.0], [1.0], [5.0]]
    ratio = ratio_of_medians([[2.0], [10.0], [2.0], [10.0]], baseline)

    assert ratio == Ratio(value=2.0, low=2.0, high=2.0)


def test_the_same_samples_give_the_same_interval() -> None:
    blocks, baseline = [[1.0], [2.0], [4.0]], [[1.0], [1.5], [0.5]]

    assert ratio_of_medians(blocks, baseline) == ratio_of_medians(blocks, baseline)


def test_blocks_without_samples_are_left_out() -> None:
    assert ratio_of_medians([[4.0], []], [[2.0], [100.0]]) == ratio_of_medians([[4.0]], [[2.0]])


def test_nothing_has_no_ratio() -> None:
    assert ratio_of_medians([[]], [[]]) is None


def test_a_ratio_of_rates_weighs_blocks_by_their_seconds() -> None:
    ratio = ratio_of_rates([(300.0, 1.0), (100.0, 3.0)], [(100.0, 2.0), (100.0, 2.0)])

    assert ratio is not None
    assert ratio.value == pytest.approx(2.0)
    assert ratio.low <= ratio.value <= ratio.high


def test_blocks_in_which_nothing_was_done_have_no_rate() -> None:
    assert ratio_of_rates([(300.0, 1.0), (0.0, 1.0)], [(100.0, 1.0), (100.0, 1.0)]) == Ratio(
        value=3.0, low=3.0, high=3.0
    )
    assert ratio_of_rates([(300.0, 0.0)], [(100.0, 1.0)]) is None
