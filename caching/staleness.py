"""Whether an answer whose time is over may still serve: only where its tenant said so. Pure."""

from dataclasses import dataclass
from typing import Literal

from caching.answers import StoredAnswer

Standing = Literal["fresh", "stale", "on_error", "over"]
"""`stale`: may be served while it is asked anew; `on_error`: only if upstream fails; `over`: not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleWindows:
    """For how many seconds past their time answers may serve a call."""

    while_revalidate_s: float = 0.0
    on_error_s: float = 0.0

    def __bool__(self) -> bool:
        return self.while_revalidate_s > 0 or self.on_error_s > 0

    def standing(self, answer: StoredAnswer, now: float) -> Standing:
        """Say how the answer may be used; now: Unix seconds."""
        past_s = now - answer.stale_at
        if past_s < 0:
            return "fresh"
        if past_s < self.while_revalidate_s:
            return "stale"
        return "on_error" if past_s < self.on_error_s else "over"


NO_STALE = StaleWindows()
