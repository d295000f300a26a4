"""The headers of data-plane answers, as ASGI wants them. Pure: values in, header fields out."""

from functools import lru_cache

from django.conf import settings

from gateway.call import CacheReport, ChatOutcome
from gateway.errors import Refusal
from tenants.limits import LimitVerdict, Window, WindowState

Headers = list[tuple[bytes, bytes]]

_PERIODS = {60: "minute", 86_400: "day"}


def lines(fields: Headers) -> bytes:
    """Return the fields as they are sent."""
    return b"".join([b"%s: %s\r\n" % field for field in fields])


def of_content(length: int, *, secure: bool) -> Headers:
    """Return what every JSON answer of the data plane has; secure: whether it goes out over TLS."""
    found = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % length),
        (b"x-content-type-options", b"nosniff"),
    ]
    if secure and settings.SECURE_HSTS_SECONDS:
        found.append((b"strict-transport-security", b"max-age=%d" % settings.SECURE_HSTS_SECONDS))
    return found


def of_outcome(
    request_id: str, limits: LimitVerdict | None, outcome: ChatOutcome, total_ms: float
) -> Headers:
    """Return every header of an ended call besides those of its content. request_id: as callers see it."""
    found = of_call(request_id, limits, total_ms, outcome.upstream_ms)
    if outcome.refusal:
        found += of_refusal(outcome.refusal)
    elif outcome.cache:
        found += _cache(outcome.cache)
    return found


def of_call(request_id: str, limits: LimitVerdict | None, total_ms: float, upstream_ms: float) -> Headers:
    """Return the headers that every ended call has."""
    found = [
        (b"x-request-id", request_id.encode()),
        (b"server-timing", _server_timing(total_ms, upstream_ms)),
    ]
    return found + of_limits(limits) if limits else found


def of_exact_hit(ttl_s: float) -> Headers:
    """ttl_s: how long the answer is kept from now on."""
    return [
        (b"x-gateway-cache", b"hit_exact"),
        (b"cache-status", b'halfpenny; hit; ttl=%d; detail="exact"' % ttl_s),
    ]


def of_refusal(refusal: Refusal) -> Headers:
    found: Headers = []
    if refusal.retry_after_s is not None:
        found.append((b"retry-after", b"%d" % refusal.retry_after_s))
    if refusal.final:
        found.append((b"x-should-retry", b"false"))
    if refusal.status == 401:
        found.append((b"www-authenticate", b"Bearer"))
    return found


def of_limits(verdict: LimitVerdict) -> Headers:
    """Return where the caller stands, in the IETF's fields and in OpenAI's.

    The gateway-wide window isn't shown: what is left in it tells of other tenants.
    """
    states = [state for state in verdict.states if state.window.name != "gateway"]
    tightest = min(states, key=_remaining) if len(states) > 1 else states[0]
    window, remaining, reset_s = tightest.window, tightest.remaining, tightest.reset_s
    return [
        (b"ratelimit-policy", b", ".join([_policy(state.window) for state in states])),
        (b"ratelimit", b'"%s";r=%d;t=%d' % (_name(window), remaining, reset_s)),
        (b"x-ratelimit-limit-requests", b"%d" % window.limit),
        (b"x-ratelimit-remaining-requests", b"%d" % remaining),
        (b"x-ratelimit-reset-requests", b"%ds" % reset_s),
    ]


def _remaining(state: WindowState) -> int:
    return state.remaining


@lru_cache(4096)
def _policy(window: Window) -> bytes:
    return b'"%s";q=%d;w=%d' % (_name(window), window.limit, window.seconds)


def _name(window: Window) -> bytes:
    return f"{window.name}-{_PERIODS[window.seconds]}".encode()


def _cache(report: CacheReport) -> Headers:
    if report.status == "hit_exact":
        return of_exact_hit(report.ttl_s or 0.0)
    return [
        (b"x-gateway-cache", report.status.encode()),
        (b"cache-status", f"halfpenny; {_cache_status(report)}".encode()),
    ]


def _cache_status(report: CacheReport) -> str:
    """Return the parameters of RFC 9211 for one cache."""
    match report.status:
        case "hit_exact" | "hit_semantic":
            return f'hit; ttl={int(report.ttl_s or 0)}; detail="similarity={report.similarity:.3f}"'
        case "miss":
            return "fwd=miss"
        case "refresh":
            return "fwd=request"
        case "bypass" | "error":
            return f"fwd=bypass; detail={report.reason or report.status}"


def _server_timing(total_ms: float, upstream_ms: float) -> bytes:
    gateway_ms = max(0.0, total_ms - upstream_ms)
    return b"total;dur=%.1f, upstream;dur=%.1f, gateway;dur=%.1f" % (total_ms, upstream_ms, gateway_ms)
