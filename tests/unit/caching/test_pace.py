from uuid import UUID, uuid4

import pytest

from caching.pace import Pace, ServiceTime


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(max_batch=32, first_guess=0.1, clock=clock)


def send(pace: Pace, size: int) -> UUID:
    batch = uuid4()
    pace.sent(batch, size)
    return batch


def answer(pace: Pace, clock: Clock, size: int, seconds: float) -> None:
    batch = send(pace, size)
    clock.now += seconds
    pace.replied(batch)


def taught(pace: Pace, clock: Clock) -> Pace:
    """A worker that takes 10 ms and 3 ms for each text."""
    for size in (1, 8, 32, 4, 16, 1, 24, 32, 8, 2) * 3:
        answer(pace, clock, size, 0.010 + 0.003 * size)
    return pace


def test_before_the_first_reply_a_full_batch_is_guessed(pace: Pace) -> None:
    assert pace.wait(0) < 0.01
    assert 0.1 <= pace.wait(31) <= 0.15


@pytest.mark.parametrize(("ahead", "expected"), [(0, 0.013), (15, 0.058), (31, 0.106), (32, 0.119)])
def test_the_cost_of_a_batch_and_of_each_text_is_learnt(
    pace: Pace, clock: Clock, ahead: int, expected: float
) -> None:
    assert expected <= taught(pace, clock).wait(ahead) <= 1.25 * expected


def test_what_is_under_way_is_waited_for(pace: Pace, clock: Clock) -> None:
    idle = taught(pace, clock).wait(0)
    send(pace, 32)
    assert pace.wait(0) - idle == pytest.approx(0.106, rel=0.2)
    clock.now += 0.08
    assert pace.wait(0) - idle == pytest.approx(0.026, rel=0.3)


def test_an_overdue_batch_is_expected_to_take_as_much_longer(pace: Pace, clock: Clock) -> None:
    taught(pace, clock)
    send(pace, 1)
    clock.now += 0.013 + 0.150
    assert pace.wait(0) > 0.150


def test_two_batches_at_once_are_not_taken_for_two_workers_times(pace: Pace, clock: Clock) -> None:
    taught(pace, clock)
    for _ in range(20):
        first, second = send(pace, 16), send(pace, 16)
        clock.now += 0.058
        pace.replied(first)
        clock.now += 0.058
        pace.replied(second)
    assert pace.wait(15) == pytest.approx(0.058, rel=0.15)


def test_a_worker_that_others_slow_down_is_learnt_from_the_replies(pace: Pace, clock: Clock) -> None:
    taught(pace, clock)
    for _ in range(20):
        answer(pace, clock, 8, 0.250)
    assert pace.wait(7) >= 0.240


def test_a_stall_is_forgotten_by_the_first_quick_reply(pace: Pace, clock: Clock) -> None:
    taught(pace, clock)
    late = send(pace, 1)
    clock.now += 3.0
    assert pace.gave_up(late) == pytest.approx(3.0)
    pace.replied(late, expired=True)
    assert pace.wait(0) > 0.2
    answer(pace, clock, 1, 0.013)
    assert pace.wait(0) < 0.03


def test_batches_of_one_size_do_not_forbid_larger_ones(pace: Pace, clock: Clock) -> None:
    for _ in range(50):
        answer(pace, clock, 1, 0.013)
    assert pace.wait(31) < 0.16


def test_silence_is_told_from_slowness(pace: Pace, clock: Clock) -> None:
    slow, silent = send(pace, 8), send(pace, 8)
    clock.now += 0.1
    pace.replied(slow)
    assert pace.gave_up(silent) == 0.0
    silent = send(pace, 8)
    clock.now += 0.2
    assert pace.gave_up(silent) == pytest.approx(0.2)
    assert (pace.under_way, pace.texts_under_way) == (0, 0)


def test_a_batch_that_was_never_published_is_not_waited_for(pace: Pace) -> None:
    pace.withdrawn(send(pace, 32))
    assert pace.under_way == 0


def test_a_service_time_never_expects_less_than_nothing() -> None:
    service = ServiceTime()
    for size, seconds in ((32, 0.01), (1, 0.2), (32, 0.01), (1, 0.2)):
        service.learn(size, seconds)
    assert service.of(100) >= 0.0
