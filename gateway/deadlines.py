"""How long an attempt may take, in all its parts."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadlines:
    """Bounds of one attempt at one target."""

    connect_s: float
    """For resolving the name, connecting and TLS together."""
    first_token_s: float
    """From sending the question to the first piece of a streamed answer."""
    between_chunks_s: float
    """Longest silence within a streamed answer."""
    total_at: float
    """On the clock of time.monotonic(): nothing goes on beyond it."""
