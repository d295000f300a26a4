import pytest

from tenants.permits import Permits, block_of
from tenants.windows import Window

NOON_MS = 1_800_000_000_000
"""A whole minute of Redis' clock."""


def permits_of(limit: int = 10_000, seconds: int = 60) -> Permits:
    window = Window(name="key", owner="k1", seconds=seconds, limit=limit)
    return Permits(window, processes=1)


def told(permits: Permits, *, granted: int = 9, count: int = 10, after_ms: int = 0, at: float = 0.0) -> None:
    """Redis answers a question of the second `at`, `after_ms` after noon by its clock."""
    permits.learn(granted=granted, count=count, redis_ms=NOON_MS + after_ms, sent_at=at, connection=1)


@pytest.mark.parametrize(
    ("limit", "processes", "block"),
    [
        (1, 1, 0),
        (999, 1, 0),
        (1000, 1, 10),
        (1000, 10, 10),
        (1000, 50, 2),
        (1000, 1000, 1),
        (20_000, 4, 200),
        (1_000_000, 1, 1000),
        (1_000_000_000, 64, 1000),
    ],
)
def test_a_block_is_a_small_share_of_the_limit(limit: int, processes: int, block: int) -> None:
    assert block_of(limit, processes) == block


def test_all_processes_together_hold_a_tenth_at_most() -> None:
    for limit in (1000, 1234, 5000, 99_999, 10**6):
        for processes in (1, 2, 3, 8, 40, 100):
            assert processes * block_of(limit, processes) <= limit / 10


def test_permits_last_until_their_window_ends_by_redis_clock_counted_from_the_question() -> None:
    permits = permits_of()
    told(permits, after_ms=59_500, at=100.0)
    assert permits.usable(100.49)
    assert not permits.usable(100.5)


def test_permits_of_a_long_window_are_trusted_for_a_minute_and_then_once_more_when_redis_says_so() -> None:
    permits = permits_of(seconds=86_400)
    told(permits, granted=9)
    assert not permits.usable(60.0)
    told(permits, granted=1, count=11, after_ms=60_000, at=60.0)
    assert permits.usable(60.1)
    assert permits.unused == 10


def test_permits_of_a_past_window_are_gone_when_the_next_is_known() -> None:
    permits = permits_of()
    told(permits, granted=9, after_ms=59_999)
    told(permits, granted=4, count=5, after_ms=60_000, at=0.001)
    assert permits.unused == 4


def test_permits_of_a_lost_connection_are_gone_when_another_answers() -> None:
    permits = permits_of()
    told(permits, granted=9)
    permits.learn(granted=4, count=5, redis_ms=NOON_MS, sent_at=0.1, connection=2)
    assert permits.unused == 4


def test_a_permit_of_a_past_window_cannot_be_put_back_into_the_next() -> None:
    permits = permits_of()
    told(permits, granted=9)
    lease = permits.lease
    permits.use(0.1)
    told(permits, granted=9, count=10, after_ms=60_000, at=60.0)
    permits.put_back(lease)
    assert permits.unused == 9


def test_a_full_window_is_remembered_for_a_second_but_never_beyond_its_end() -> None:
    permits = permits_of()
    told(permits, granted=0, count=10_000, at=5.0)
    assert permits.full_until == 6.0
    told(permits, granted=0, count=10_000, after_ms=59_700, at=5.0)
    assert permits.full_until == pytest.approx(5.3)


def test_a_window_with_room_is_not_full() -> None:
    permits = permits_of()
    told(permits, count=10_000)
    told(permits, count=9_999)
    assert permits.full_until == 0.0


def test_a_lowered_limit_leaves_nothing_rather_than_less() -> None:
    permits = permits_of(limit=1000)
    told(permits, granted=0, count=3000)
    assert permits.left == 0


def test_waiting_callers_are_asked_for_as_well_and_permits_in_hand_are_not() -> None:
    permits = permits_of(limit=1000)
    assert permits.wanted() == 10
    permits.waiting = 7
    assert permits.wanted() == 17
    told(permits, granted=30)
    assert permits.wanted() == 1


def test_an_exact_window_asks_for_one() -> None:
    permits = permits_of(limit=999)
    permits.waiting = 7
    assert permits.wanted() == 1


def test_what_is_given_up_is_left_for_others() -> None:
    permits = permits_of()
    told(permits, granted=9, count=10_000)
    assert permits.give_up() == 9
    assert (permits.unused, permits.left, permits.full_until) == (0, 9, 0.0)


def test_permits_are_idle_when_they_were_not_used_for_a_while() -> None:
    permits = permits_of()
    told(permits, at=1.0)
    permits.use(5.0)
    assert not permits.idle(6.0, 2.0)
    assert permits.idle(7.0, 2.0)
