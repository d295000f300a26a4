"""What the demo upstream was asked: tests count calls here."""

from collections import Counter, deque
from typing import Any

_KEPT = 200
_KEPT_CHARS = 2000


class Ledger:
    """Only ever added to; the counts are complete, of the calls themselves the latest are kept."""

    def __init__(self) -> None:
        self._calls = 0
        self._by_model: Counter[str] = Counter()
        self._last: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add(self, *, model: str, prompt: str, fault: str | None) -> None:
        self._calls += 1
        self._by_model[model] += 1
        self._last.append({"model": model, "prompt": prompt[:_KEPT_CHARS], "fault": fault})

    def report(self) -> dict[str, Any]:
        return {"calls": self._calls, "by_model": dict(self._by_model), "last": list(self._last)}
