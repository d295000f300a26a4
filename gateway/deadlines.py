"""How long an attempt may take, in all its parts."""

from dataclasses import dataclass

from django.conf import settings

from routing.catalog import Target


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


def deadlines_of(target: Target, now: float) -> Deadlines:
    """Return the bounds of a call that begins now (time.monotonic()): the target's own, else the deployment's."""
    return Deadlines(
        connect_s=_first(target.connect_s, settings.UPSTREAM_CONNECT_SECONDS),
        first_token_s=_first(target.first_token_s, settings.UPSTREAM_FIRST_TOKEN_SECONDS),
        between_chunks_s=_first(target.between_chunks_s, settings.UPSTREAM_BETWEEN_CHUNKS_SECONDS),
        total_at=now + _first(target.total_s, settings.UPSTREAM_TOTAL_SECONDS),
    )


def _first(own: float | None, default: float) -> float:
    return default if own is None else own
