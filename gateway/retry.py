"""Whether and when to ask the same target again. Pure: the clock and the dice are passed in."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

from gateway.failures import FailureKind, UpstreamFailure

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0

_RETRIABLE = frozenset(
    {FailureKind.CONNECT, FailureKind.TIMEOUT, FailureKind.RATE_LIMITED, FailureKind.OVERLOADED}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryAfter:
    """Ask the same target again after this wait."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveUp:
    """Leave this target alone for this call."""

    reason: Literal["not_retriable", "attempts", "deadline"]


def plan_retry(
    failure: UpstreamFailure,
    *,
    attempt: int,
    max_attempts: int,
    now: float,
    deadline: float,
    random: Callable[[], float],
) -> RetryAfter | GiveUp:
    """Decide after a failed attempt (`attempt` counts from 1).

    Waits grow exponentially and are spread over their whole length ("full jitter"), so that callers who
    failed together don't return together; what the upstream asks for is the least wait. `now` and `deadline`
    are of one clock; a wait that would end at the deadline or later is not begun.
    """
    if failure.kind not in _RETRIABLE:
        return GiveUp(reason="not_retriable")
    if attempt >= max_attempts:
        return GiveUp(reason="attempts")
    ceiling = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    wait = random() * ceiling + (failure.retry_after or 0.0)
    return RetryAfter(seconds=wait) if now + wait < deadline else GiveUp(reason="deadline")


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that an answer's headers ask us to wait; None if they say nothing usable.

    headers: by lower-case name. now: Unix seconds, for dates. The past means no wait.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    return _seconds_until(value, now) if seconds is None and value else seconds


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_until(value: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now, 0.0)


class RetryBudget:
    """Keeps a process's further attempts to a share of its calls, so that an outage isn't answered by a flood.

    Each call earns `ratio` of another attempt and each attempt after a call's first spends one; `reserve` may be
    saved up, so that a quiet process asks again freely. When everything fails, attempts settle at
    (1 + ratio) x calls. Half of the reserve is kept for another key or another target: they help more often than
    asking the same again.
    """

    def __init__(self, *, ratio: float = 0.2, reserve: float = 10.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._saved = reserve

    def earn(self) -> None:
        """Take note of a call."""
        self._saved = min(self._reserve, self._saved + self._ratio)

    def spend(self, *, elsewhere: bool = False) -> bool:
        """Take one attempt out of the budget; False if there is none left.

        elsewhere: it goes to another key or target than the one before.
        """
        least = 1.0 if elsewhere else 1.0 + self._reserve / 2
        if self._saved < least:
            return False
        self._saved -= 1.0
        return True
