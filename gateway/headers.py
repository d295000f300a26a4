"""The headers of data-plane answers. Pure: values in, header lines out.

A head is bytes: lines as HTTP sends them, each with its CRLF. The edge sends it as it is, and joining lines costs
a quarter of what lists of names and values do; `fields` takes it apart for ASGI and Django.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

from gateway.call import CacheReport, ChatOutcome
from gateway.errors import Refusal
from tenants.limits import LimitVerdict, Window, WindowState

#: Attempts that the header tells; the record has them all.
_MOST_ATTEMPTS = 8
_EVENTS = b"text/event-stream"
_PERIODS = {60: "minute", 86_400: "day"}


def fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and values of a head."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n")[:-1])]


def of_content(content_type: bytes, length: int | None, *, secure: bool) -> bytes:
    """Return what every answer of the data plane has.

    length: of the body; None if it isn't known yet. secure: whether it goes out over TLS.
    """
    head = b"content-type: %b\r\nx-content-type-options: nosniff\r\n" % content_type
    if length is not None:
        head += b"content-length: %d\r\n" % length
    if content_type.startswith(_EVENTS):
        # Neither caches nor proxies may hold a stream up.
        head += b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"
    if secure and settings.SECURE_HSTS_SECONDS:
        head += b"strict-transport-security: max-age=%d\r\n" % settings.SECURE_HSTS_SECONDS
    return head


def of_outcome(request_id: str, limits: LimitVerdict | None, outcome: ChatOutcome, total_ms: float) -> bytes:
    """Return every header of an ended call besides those of its content. request_id: as callers see it."""
    head = of_call(request_id, limits, total_ms, outcome.upstream_ms)
    if outcome.attempts:
        head += of_attempts(outcome.attempts)
    if outcome.refusal:
        return head + of_refusal(outcome.refusal)
    return head + _cache(outcome.cache) if outcome.cache else head


def of_call(request_id: str, limits: LimitVerdict | None, total_ms: float, upstream_ms: float) -> bytes:
    """Return the headers that every ended call has."""
    gateway_ms = max(0.0, total_ms - upstream_ms)
    head = b"x-request-id: %b\r\nserver-timing: total;dur=%.1f, upstream;dur=%.1f, gateway;dur=%.1f\r\n" % (
        request_id.encode(),
        total_ms,
        upstream_ms,
        gateway_ms,
    )
    return head + of_limits(limits) if limits else head


def of_attempts(attempts: Sequence[Mapping[str, Any]]) -> bytes:
    """Return who was asked: the last one's provider, and for each attempt its target and how it ended."""
    told = ", ".join(f"{attempt['target']};{attempt['reason']}" for attempt in attempts[-_MOST_ATTEMPTS:])
    provider = str(attempts[-1]["target"]).partition("/")[0]
    head = f"x-gateway-provider: {provider}\r\nx-gateway-attempts: {told}\r\n"
    return head.encode("latin-1", "replace")


def of_request_id(request_id: str) -> bytes:
    return b"x-request-id: %b\r\n" % request_id.encode()


def of_exact_hit(ttl_s: float) -> bytes:
    """ttl_s: how long the answer is fresh from now on."""
    return b'x-gateway-cache: hit_exact\r\ncache-status: halfpenny; hit; ttl=%d; detail="exact"\r\n' % ttl_s


def of_refusal(refusal: Refusal) -> bytes:
    head = b""
    if refusal.retry_after_s is not None:
        head += b"retry-after: %d\r\n" % refusal.retry_after_s
    if refusal.final:
        head += b"x-should-retry: false\r\n"
    if refusal.status == 401:
        head += b"www-authenticate: Bearer\r\n"
    return head


def of_limits(verdict: LimitVerdict) -> bytes:
    """Return where the caller stands, in the IETF's fields and in OpenAI's.

    The gateway-wide window isn't shown: what is left in it tells of other tenants.
    """
    states = verdict.states
    if len(states) > 1:
        states = tuple([state for state in states if state.window.name != "gateway"])
    tightest = states[0] if len(states) == 1 else min(states, key=_remaining)
    window, remaining, reset_s = tightest
    return (
        b"ratelimit-policy: %b\r\n"
        b'ratelimit: "%b";r=%d;t=%d\r\n'
        b"x-ratelimit-limit-requests: %d\r\n"
        b"x-ratelimit-remaining-requests: %d\r\n"
        b"x-ratelimit-reset-requests: %ds\r\n"
    ) % (
        b", ".join([_policy(state.window) for state in states]),
        _name(window), remaining, reset_s, window.limit, remaining, reset_s,
    )  # fmt: skip


def _remaining(state: WindowState) -> int:
    return state.remaining


@lru_cache(4096)
def _policy(window: Window) -> bytes:
    return b'"%b";q=%d;w=%d' % (_name(window), window.limit, window.seconds)


@lru_cache(4096)
def _name(window: Window) -> bytes:
    return f"{window.name}-{_PERIODS[window.seconds]}".encode()


def _cache(report: CacheReport) -> bytes:
    if report.status == "hit_exact" and not report.stale:
        return of_exact_hit(report.ttl_s or 0.0)
    told = f"x-gateway-cache: {report.status}\r\ncache-status: halfpenny; {_cache_status(report)}\r\n"
    return told.encode() + (b"x-gateway-cache-stale: 1\r\n" if report.stale else b"")


def _cache_status(report: CacheReport) -> str:
    """Return the parameters of RFC 9211 for one cache."""
    if report.stale:
        # Seconds are rounded away from 0: what is stale must not seem fresh.
        found = "fwd=stale" if report.reason == "stale_on_error" else "hit"
        return f"{found}; ttl={math.floor(report.ttl_s or 0)}; detail={report.reason}"
    match report.status:
        case "hit_exact" | "hit_semantic":
            return f'hit; ttl={int(report.ttl_s or 0)}; detail="similarity={report.similarity:.3f}"'
        case "miss":
            return "fwd=miss"
        case "refresh":
            return "fwd=request"
        case "bypass" | "error":
            return f"fwd=bypass; detail={report.reason or report.status}"
