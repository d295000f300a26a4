"""The circuit's states, one transition at a time and over long histories."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing.circuit import Closed, Event, HalfOpen, Open, Rules, State, admits, after

RULES = Rules(
    failures_in_a_row=5,
    failure_rate=0.5,
    least_calls=20,
    window_s=10.0,
    first_rest_s=2.0,
    longest_rest_s=30.0,
    probe_s=30.0,
)
FRESH = Closed(window_began=0.0)


def played(state: State, *events: Event, now: float = 1.0) -> State:
    for event in events:
        state = after(state, event, now, RULES)
    return state


def test_failures_in_a_row_open_it() -> None:
    assert isinstance(played(FRESH, *[Event.FAILED] * 4), Closed)
    assert played(FRESH, *[Event.FAILED] * 5) == Open(until=3.0, openings=1)


def test_a_success_between_them_begins_the_row_anew() -> None:
    assert isinstance(played(FRESH, *[Event.FAILED] * 4, Event.SUCCEEDED, *[Event.FAILED] * 4), Closed)


def test_a_row_goes_on_over_the_end_of_a_window() -> None:
    state = played(FRESH, *[Event.FAILED] * 4, now=9.0)
    assert isinstance(played(state, Event.FAILED, now=60.0), Open)


def test_half_of_many_calls_failing_opens_it() -> None:
    halves = [Event.SUCCEEDED, Event.FAILED]
    assert isinstance(played(FRESH, *halves * 9, Event.SUCCEEDED), Closed)
    assert isinstance(played(FRESH, *halves * 10), Open)


def test_few_calls_or_few_failures_do_not() -> None:
    assert isinstance(played(FRESH, *[Event.SUCCEEDED, Event.FAILED] * 9), Closed)
    assert isinstance(played(FRESH, *[Event.SUCCEEDED, Event.SUCCEEDED, Event.FAILED] * 30), Closed)


def test_failures_of_an_earlier_window_are_forgotten() -> None:
    state = played(FRESH, *[Event.FAILED, Event.SUCCEEDED] * 9, now=1.0)
    assert isinstance(played(state, *[Event.SUCCEEDED] * 10, *[Event.FAILED] * 4, now=20.0), Closed)


def test_after_its_rest_one_call_may_try() -> None:
    state: State = Open(until=3.0, openings=1)
    assert [admits(state, now) for now in (2.9, 3.0)] == ["none", "probe"]
    state = played(state, Event.PROBE_BEGAN, now=3.0)
    assert state == HalfOpen(lost_at=33.0, openings=1)
    assert admits(state, 3.0) == "none"


def test_the_probes_success_closes_it() -> None:
    state = played(Open(until=3.0, openings=1), Event.PROBE_BEGAN, Event.PROBE_SUCCEEDED, now=3.0)
    assert admits(state, 3.0) == "all"


def test_each_failed_probe_doubles_the_rest_up_to_the_longest() -> None:
    state: State = played(FRESH, *[Event.FAILED] * 5, now=0.0)
    rests, now = [], 0.0
    for _ in range(7):
        assert isinstance(state, Open)
        rests.append(state.until - now)
        now = state.until
        state = played(state, Event.PROBE_BEGAN, Event.PROBE_FAILED, now=now)
    assert rests == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_what_flaps_rests_longer_until_a_window_is_quiet() -> None:
    state = played(Open(until=3.0, openings=2), Event.PROBE_BEGAN, Event.PROBE_SUCCEEDED, now=3.0)
    assert played(state, *[Event.FAILED] * 5, now=4.0) == Open(until=12.0, openings=3)
    quiet = played(state, Event.SUCCEEDED, now=14.0)
    assert played(quiet, *[Event.FAILED] * 5, now=15.0) == Open(until=17.0, openings=1)


def test_a_probe_without_a_verdict_leaves_the_way_free_for_the_next() -> None:
    state = played(Open(until=3.0, openings=1), Event.PROBE_BEGAN, Event.PROBE_ABANDONED, now=5.0)
    assert admits(state, 5.0) == "probe"


def test_a_lost_probe_is_followed_by_another() -> None:
    state = played(Open(until=3.0, openings=1), Event.PROBE_BEGAN, now=3.0)
    assert [admits(state, now) for now in (32.9, 33.0)] == ["none", "probe"]


@pytest.mark.parametrize("event", [Event.SUCCEEDED, Event.FAILED])
@pytest.mark.parametrize("state", [Open(until=9.0, openings=1), HalfOpen(lost_at=9.0, openings=1)])
def test_calls_from_before_it_opened_change_nothing(state: State, event: Event) -> None:
    assert played(state, event) == state


def test_a_circuit_that_never_heals_does_not_overflow() -> None:
    assert played(Open(until=0.0, openings=10**6), Event.PROBE_FAILED, now=0.0) == Open(
        until=30.0, openings=10**6 + 1
    )


class CircuitHistory(RuleBasedStateMachine):
    """Any order of calls and probes, as callers would make them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.state: State = FRESH
        self.probes: list[float] = []
        """When each probe that is still out began."""
        self.row = 0

    def happens(self, event: Event) -> None:
        self.state = after(self.state, event, self.now, RULES)

    @rule(seconds=st.floats(min_value=0.0, max_value=40.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: admits(self.state, self.now) == "all")
    @rule(good=st.booleans())
    def a_call_ends(self, good: bool) -> None:
        self.row = 0 if good else self.row + 1
        self.happens(Event.SUCCEEDED if good else Event.FAILED)
        assert self.row < RULES.failures_in_a_row or isinstance(self.state, Open)
        if not good and isinstance(self.state, Closed):
            assert self.state.calls < RULES.least_calls or self.state.failures < 0.5 * self.state.calls

    @rule(good=st.booleans())
    def an_old_call_ends(self, good: bool) -> None:
        if not isinstance(self.state, Closed):
            before = self.state
            self.happens(Event.SUCCEEDED if good else Event.FAILED)
            assert self.state == before

    @precondition(lambda self: admits(self.state, self.now) == "probe")
    @rule()
    def a_probe_begins(self) -> None:
        # Single: whatever is still out was given up for lost.
        assert all(self.now >= began + RULES.probe_s for began in self.probes)
        self.probes.append(self.now)
        self.happens(Event.PROBE_BEGAN)
        assert admits(self.state, self.now) == "none"

    @precondition(lambda self: self.probes and isinstance(self.state, HalfOpen))
    @rule(event=st.sampled_from([Event.PROBE_SUCCEEDED, Event.PROBE_FAILED, Event.PROBE_ABANDONED]))
    def the_probe_ends(self, event: Event) -> None:
        self.probes.clear()
        self.happens(event)
        if event is Event.PROBE_SUCCEEDED:
            self.row = 0
            assert isinstance(self.state, Closed)
        else:
            assert isinstance(self.state, Open)
        if event is Event.PROBE_FAILED:
            assert RULES.first_rest_s <= self.state.until - self.now + 1e-6  # type: ignore[union-attr]

    @invariant()
    def every_rest_ends(self) -> None:
        if isinstance(self.state, Open):
            assert self.state.until - self.now <= RULES.longest_rest_s + 1e-6
        elif isinstance(self.state, HalfOpen):
            assert self.state.lost_at - self.now <= RULES.probe_s + 1e-6


TestCircuitHistory = CircuitHistory.TestCase
TestCircuitHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
