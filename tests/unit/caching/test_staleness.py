import pytest

from caching.exact import lifetime
from caching.staleness import NO_STALE, StaleWindows
from tests.caching_values import answer

BOTH = StaleWindows(while_revalidate_s=10, on_error_s=60)


@pytest.mark.parametrize(
    ("windows", "past_s", "standing"),
    [
        (BOTH, -1, "fresh"),
        (BOTH, 0, "stale"),
        (BOTH, 9, "stale"),
        (BOTH, 10, "on_error"),
        (BOTH, 59, "on_error"),
        (BOTH, 60, "over"),
        (StaleWindows(while_revalidate_s=60, on_error_s=10), 30, "stale"),
        (NO_STALE, -1, "fresh"),
        (NO_STALE, 0, "over"),
    ],
)
def test_the_windows_begin_where_the_answers_time_ends(
    windows: StaleWindows, past_s: float, standing: str
) -> None:
    stored = answer(fresh_until=1000.0, expires_at=1060.0)
    assert windows.standing(stored, 1000.0 + past_s) == standing


def test_an_answer_that_is_not_kept_beyond_its_time_is_fresh_until_its_expiry() -> None:
    stored = answer(expires_at=1000.0)
    assert (BOTH.standing(stored, 999.0), NO_STALE.standing(stored, 999.0)) == ("fresh", "fresh")


def test_without_windows_there_is_nothing_to_look_for() -> None:
    assert (bool(NO_STALE), bool(BOTH), bool(StaleWindows(on_error_s=1))) == (False, True, True)


def test_an_answer_is_kept_for_its_ttl_and_the_window_behind_it() -> None:
    assert lifetime(1000.0, 100, window_s=0) == (None, 1100.0)
    for _ in range(100):
        times = lifetime(1000.0, 100, window_s=50)
        assert times.fresh_until is not None
        assert 1090.0 <= times.fresh_until <= 1100.0
        assert times.expires_at == times.fresh_until + 50
