"""Request limits without Redis: each process admits its share of them."""

from collections.abc import Sequence

from tenants.windows import DAY_SECONDS, MINUTE_SECONDS, LimitVerdict, Window, WindowState

#: Counters kept before those of past windows are dropped.
_MOST_COUNTERS = 10_000


class LocalShare:
    """Counters of this process alone, each limit divided by the number of processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._counts: dict[tuple[str, int], int] = {}

    def admit(self, windows: Sequence[Window], now: float) -> LimitVerdict:
        """Count the request as RequestLimiter.admit does; `now` in Unix seconds."""
        places = [(window.counter, int(now) // window.seconds) for window in windows]
        counts = [self._counts.get(place, 0) for place in places]
        full = [count >= self._share(window) for count, window in zip(counts, windows, strict=True)]
        if any(full):
            return _verdict(windows, counts, int(now), full.index(True) + 1)
        if len(self._counts) > _MOST_COUNTERS:
            self._drop_past_windows(now)
        self._counts.update({place: count + 1 for place, count in zip(places, counts, strict=True)})
        return _verdict(windows, [count + 1 for count in counts], int(now), 0)

    def _drop_past_windows(self, now: float) -> None:
        current = {int(now) // seconds for seconds in (MINUTE_SECONDS, DAY_SECONDS)}
        self._counts = {place: count for place, count in self._counts.items() if place[1] in current}

    def _share(self, window: Window) -> int:
        return max(1, window.limit // self._processes)


def _verdict(
    windows: Sequence[Window],
    counts: Sequence[int],
    now: int,
    refused: int,
) -> LimitVerdict:
    states = tuple(
        WindowState(
            window=window,
            remaining=max(0, window.limit - count),
            reset_s=window.seconds - now % window.seconds,
        )
        for window, count in zip(windows, counts, strict=True)
    )
    return LimitVerdict(refused_by=states[refused - 1] if refused else None, states=states, counted="local")
