from collections import Counter

from benchmarks.zipf import Zipf


def test_the_second_most_frequent_comes_half_as_often_as_the_first() -> None:
    counts = Counter(Zipf(100).draw(50_000))

    assert 0.45 < counts[1] / counts[0] < 0.55
    assert set(counts) == set(range(100))


def test_a_greater_exponent_asks_more_often_for_the_first() -> None:
    flat, steep = (Counter(Zipf(100, exponent=exponent).draw(10_000)) for exponent in (0.5, 2.0))

    assert steep[0] > 2 * flat[0]


def test_draws_below_a_number_follow_the_same_law() -> None:
    zipf = Zipf(100)
    counts = Counter(zipf.below(10) for _ in range(20_000))

    assert set(counts) == set(range(10))
    assert 0.4 < counts[1] / counts[0] < 0.6


def test_of_one_that_one_is_drawn() -> None:
    assert Zipf(100).below(1) == 0


def test_each_run_draws_the_same() -> None:
    assert Zipf(50).draw(20) == Zipf(50).draw(20)
