"""When to leave something alone that keeps failing, and when to try it again. Pure: the clock is passed in.

Closed lets every call through and counts. Too many failures open it: nothing is let through until its rest ends.
Then it is half-open to a single call, the probe, whose outcome closes it or opens it for longer.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Literal, assert_never


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """When a circuit opens and for how long. Times are seconds."""

    failures_in_a_row: int
    failure_rate: float
    """Share of failures among the calls of a window that opens it ..."""
    least_calls: int
    """... if there were at least so many."""
    window_s: float
    first_rest_s: float
    longest_rest_s: float
    """Each rest without a quiet window since the last one is twice as long, up to this."""
    probe_s: float
    """A probe of which nothing was heard for so long is given up for lost."""


class Event(Enum):
    """What happened to a call."""

    SUCCEEDED = auto()
    FAILED = auto()
    PROBE_BEGAN = auto()
    PROBE_SUCCEEDED = auto()
    PROBE_FAILED = auto()
    PROBE_ABANDONED = auto()
    """It ended without telling anything of what was probed: the caller hung up, say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """Every call is let through."""

    window_began: float
    calls: int = 0
    """In the window."""
    failures: int = 0
    """In the window."""
    in_a_row: int = 0
    """Failures since the last success, in whatever window."""
    openings: int = 0
    """How often it opened since the last quiet window."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """No call is let through before the moment; the first one after it is the probe."""

    until: float
    openings: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HalfOpen:
    """The probe is out."""

    lost_at: float
    """When it is given up for lost."""
    openings: int


State = Closed | Open | HalfOpen


def admits(state: State, now: float) -> Literal["all", "probe", "none"]:
    """Return which calls may go: all, one (that begins with PROBE_BEGAN), or none."""
    match state:
        case Closed():
            return "all"
        case Open(until=until) | HalfOpen(lost_at=until):
            return "probe" if now >= until else "none"
        case _ as never:
            assert_never(never)


def after(state: State, event: Event, now: float, rules: Rules) -> State:
    """Return the state that the event leads to. `now` never runs backwards."""
    match state:
        case Closed():
            return _after_closed(state, event, now, rules)
        case Open() | HalfOpen():
            return _after_open(state, event, now, rules)
        case _ as never:
            assert_never(never)


def _after_closed(state: Closed, event: Event, now: float, rules: Rules) -> State:
    if now >= state.window_began + rules.window_s:
        openings = state.openings if state.failures else 0
        state = Closed(window_began=now, in_a_row=state.in_a_row, openings=openings)
    match event:
        case Event.SUCCEEDED | Event.PROBE_SUCCEEDED:
            return replace(state, calls=state.calls + 1, in_a_row=0)
        case Event.FAILED | Event.PROBE_FAILED:
            counted = replace(
                state, calls=state.calls + 1, failures=state.failures + 1, in_a_row=state.in_a_row + 1
            )
            return _opened(state.openings, now, rules) if _too_many(counted, rules) else counted
        case Event.PROBE_BEGAN | Event.PROBE_ABANDONED:
            return state


def _after_open(state: Open | HalfOpen, event: Event, now: float, rules: Rules) -> State:
    match event:
        case Event.PROBE_BEGAN:
            return HalfOpen(lost_at=now + rules.probe_s, openings=state.openings)
        case Event.PROBE_SUCCEEDED:
            return Closed(window_began=now, calls=1, openings=state.openings)
        case Event.PROBE_FAILED:
            return _opened(state.openings, now, rules)
        case Event.PROBE_ABANDONED:
            return Open(until=now, openings=state.openings)
        case Event.SUCCEEDED | Event.FAILED:
            # Calls that set out before it opened say nothing new.
            return state


def _too_many(state: Closed, rules: Rules) -> bool:
    if state.in_a_row >= rules.failures_in_a_row:
        return True
    return state.calls >= rules.least_calls and state.failures >= rules.failure_rate * state.calls


def _opened(openings: int, now: float, rules: Rules) -> Open:
    # The exponent is bounded: a float can't hold the powers of a circuit that was open for a year.
    rest = min(rules.longest_rest_s, rules.first_rest_s * 2.0 ** min(openings, 30))
    return Open(until=now + rest, openings=openings + 1)
