import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failures import FailureKind, UpstreamFailure
from gateway.retry import GiveUp, RetryAfter, RetryBudget, parse_retry_after, plan_retry

# Wed, 21 Oct 2026 07:28:00 GMT
NOW = 1_792_567_680.0


def plan(
    kind: FailureKind = FailureKind.OVERLOADED,
    *,
    attempt: int = 1,
    retry_after: float | None = None,
    deadline: float = 100.0,
    dice: float = 1.0,
) -> RetryAfter | GiveUp:
    return plan_retry(
        UpstreamFailure(kind, retry_after=retry_after),
        attempt=attempt,
        max_attempts=4,
        now=0.0,
        deadline=deadline,
        random=lambda: dice,
    )


@pytest.mark.parametrize("kind", list(FailureKind))
def test_only_failures_that_may_pass_by_themselves_are_retried(kind: FailureKind) -> None:
    passing = {FailureKind.CONNECT, FailureKind.TIMEOUT, FailureKind.RATE_LIMITED, FailureKind.OVERLOADED}
    decided = plan(kind)
    assert isinstance(decided, RetryAfter) == (kind in passing)
    if kind not in passing:
        assert decided == GiveUp(reason="not_retriable")


def test_waits_double_up_to_a_ceiling() -> None:
    assert [plan(attempt=attempt) for attempt in (1, 2, 3)] == [
        RetryAfter(seconds=seconds) for seconds in (0.5, 1.0, 2.0)
    ]
    far = plan_retry(
        UpstreamFailure(FailureKind.CONNECT),
        attempt=50,
        max_attempts=99,
        now=0.0,
        deadline=1e9,
        random=lambda: 1.0,
    )
    assert far == RetryAfter(seconds=8.0)


def test_the_dice_spread_a_wait_over_its_whole_length() -> None:
    assert plan(attempt=2, dice=0.0) == RetryAfter(seconds=0.0)
    assert plan(attempt=2, dice=0.25) == RetryAfter(seconds=0.25)


@pytest.mark.parametrize("asked", [0.0, 3.0])
def test_a_thousand_waits_are_uniform_over_what_is_added_to_retry_after(asked: float) -> None:
    rolled = random.Random(20261122)
    decided = [plan(attempt=3, retry_after=asked, dice=rolled.random()) for _ in range(1000)]
    waits = sorted(each.seconds - asked for each in decided if isinstance(each, RetryAfter))
    assert len(waits) == 1000
    assert waits[0] >= 0.0
    # Kolmogorov and Smirnov: the largest distance from the uniform distribution on [0, 2] at p = 0.01.
    farthest = max(abs(wait / 2.0 - (rank + 0.5) / 1000) + 0.0005 for rank, wait in enumerate(waits))
    assert farthest <= 1.63 / 1000**0.5


def test_what_the_upstream_asks_for_is_the_least_wait() -> None:
    assert plan(FailureKind.RATE_LIMITED, retry_after=7.0, dice=0.0) == RetryAfter(seconds=7.0)
    assert plan(FailureKind.RATE_LIMITED, retry_after=7.0, dice=1.0) == RetryAfter(seconds=7.5)


def test_the_last_attempt_is_not_followed_by_another() -> None:
    assert plan(attempt=4) == GiveUp(reason="attempts")


def test_a_wait_that_reaches_the_deadline_is_given_up_at_once() -> None:
    assert plan(retry_after=99.5) == GiveUp(reason="deadline")
    assert plan(retry_after=1e300) == GiveUp(reason="deadline")
    assert plan(deadline=0.5) == GiveUp(reason="deadline")
    assert plan(deadline=-1.0) == GiveUp(reason="deadline")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("2", 2.0),
        ("1.5", 1.5),
        (" 3 ", 3.0),
        ("86400000", 86_400_000.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("Wed, 99 Oct 2026 07:28:30 GMT", None),
        ("Wed, 21 Oct 99999999 07:28:30 GMT", None),
        ("", None),
    ],
)
def test_retry_after_may_be_seconds_or_a_date_or_nonsense(value: str, seconds: float | None) -> None:
    assert parse_retry_after({"retry-after": value}, NOW) == seconds


def test_milliseconds_are_more_exact_and_win() -> None:
    assert parse_retry_after({"retry-after": "1", "retry-after-ms": "250"}, NOW) == 0.25
    assert parse_retry_after({}, NOW) is None


@given(value=st.text(max_size=60))
def test_no_header_can_break_the_parser(value: str) -> None:
    seconds = parse_retry_after({"retry-after": value}, NOW)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


@given(calls=st.integers(min_value=1, max_value=400), more=st.lists(st.booleans(), min_size=0, max_size=5))
def test_attempts_never_exceed_the_budgets_share(calls: int, more: list[bool]) -> None:
    budget = RetryBudget(ratio=0.25, reserve=10.0)
    attempts = 0
    for _ in range(calls):
        budget.earn()
        attempts += 1 + sum(budget.spend(elsewhere=elsewhere) for elsewhere in more)
    assert attempts <= calls * 1.25 + 10


def test_a_quiet_process_may_ask_again_freely_and_elsewhere_the_longer() -> None:
    budget = RetryBudget(ratio=0.25, reserve=4.0)
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    assert [budget.spend(elsewhere=True) for _ in range(3)] == [True, True, False]
