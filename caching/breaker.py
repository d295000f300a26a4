"""A breaker: after some failures in a row a dependency is left alone for a while (pure, injectable clock)."""

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Closed lets every call pass, open none, half-open one probe at a time.

    Not thread-safe: it belongs to one event loop.
    """

    def __init__(
        self,
        *,
        failures_to_open: int = 3,
        open_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._shut_until = 0.0

    @property
    def state(self) -> State:
        if self._failures < self._failures_to_open:
            return "closed"
        return "open" if self._clock() < self._shut_until else "half_open"

    def allows(self) -> bool:
        """Return whether a call may be made now; its ending must be told by `succeeded` or `failed`."""
        state = self.state
        if state == "half_open":
            # The next probe waits a whole turn: one whose ending is never told blocks nothing for good.
            self._shut_until = self._clock() + self._open_seconds
        return state != "open"

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._failures_to_open:
            self._shut_until = self._clock() + self._open_seconds
