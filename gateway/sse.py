"""Server-sent events as bytes come in, whatever way they are cut. Pure. (WHATWG HTML, section 9.2.6)"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: the lines of its data joined by line feeds, and its name ("message" if it has none)."""

    data: str
    name: str = "message"
