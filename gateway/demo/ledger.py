"""What the demo upstream was asked, and how it ended: tests count calls here."""

import time
from collections import Counter, deque
from typing import Any

_KEPT = 200
_KEPT_CHARS = 2000


class Ledger:
    """Only ever added to; the counts are complete, of the calls themselves the latest are kept."""

    def __init__(self) -> None:
        self._calls = 0
        self._open = 0
        self._hung_up = 0
        self._by_model: Counter[str] = Counter()
        self._last: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add(
        self, *, model: str, prompt: str, fault: str | None, stream: bool, fields: list[str]
    ) -> dict[str, Any]:
        """Note a call and return its entry, to be given to `ended`. fields: the names of those it had."""
        entry = {
            "model": model,
            "prompt": prompt[:_KEPT_CHARS],
            "fault": fault,
            "stream": stream,
            "fields": fields,
            "began_at": time.time(),
            "ended_at": None,
            "hung_up": False,
        }
        self._calls += 1
        self._open += 1
        self._by_model[model] += 1
        self._last.append(entry)
        return entry

    def ended(self, entry: dict[str, Any], *, hung_up: bool) -> None:
        """Note that the answer is over; hung_up: because the caller closed the connection before its end."""
        self._open -= 1
        self._hung_up += hung_up
        entry.update(ended_at=time.time(), hung_up=hung_up)

    def report(self) -> dict[str, Any]:
        """Return the counts and the latest calls; times are seconds since 1970."""
        return {
            "calls": self._calls,
            "open": self._open,
            "hung_up": self._hung_up,
            "by_model": dict(self._by_model),
            "last": list(self._last),
        }
