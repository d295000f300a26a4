"""The headers of data-plane answers. Pure: values in, header fields out."""

from gateway.admission import Admission
from gateway.call import CacheReport, ChatOutcome
from gateway.errors import Refusal
from gateway.request_id import shown
from tenants.limits import LimitVerdict, WindowState

Headers = dict[str, str]

_PERIODS = {60: "minute", 86_400: "day"}


def of_outcome(admission: Admission, outcome: ChatOutcome) -> Headers:
    """Return every header of an ended call."""
    total_ms = admission.arrival.elapsed_ms()
    return {
        "x-request-id": shown(admission.arrival.request_id),
        "Server-Timing": _server_timing(total_ms, outcome.upstream_ms),
        **(_cache(outcome.cache) if outcome.cache and outcome.refusal is None else {}),
        **(of_limits(admission.limits) if admission.limits else {}),
        **(of_refusal(outcome.refusal) if outcome.refusal else {}),
    }


def of_refusal(refusal: Refusal) -> Headers:
    found = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    if refusal.final:
        found["x-should-retry"] = "false"
    if refusal.status == 401:
        found["WWW-Authenticate"] = "Bearer"
    return found


def of_limits(verdict: LimitVerdict) -> Headers:
    """Return where the caller stands, in the IETF's fields and in OpenAI's.

    The gateway-wide window isn't shown: what is left in it tells of other tenants.
    """
    states = [state for state in verdict.states if state.window.name != "gateway"]
    tightest = min(states, key=lambda state: state.remaining)
    return {
        "RateLimit-Policy": ", ".join(_policy(state) for state in states),
        "RateLimit": f'"{_name(tightest)}";r={tightest.remaining};t={tightest.reset_s}',
        "x-ratelimit-limit-requests": str(tightest.window.limit),
        "x-ratelimit-remaining-requests": str(tightest.remaining),
        "x-ratelimit-reset-requests": f"{tightest.reset_s}s",
    }


def _policy(state: WindowState) -> str:
    return f'"{_name(state)}";q={state.window.limit};w={state.window.seconds}'


def _name(state: WindowState) -> str:
    return f"{state.window.name}-{_PERIODS[state.window.seconds]}"


def _cache(report: CacheReport) -> Headers:
    return {"x-gateway-cache": report.status, "Cache-Status": f"halfpenny; {_cache_status(report)}"}


def _cache_status(report: CacheReport) -> str:
    """Return the parameters of RFC 9211 for one cache."""
    match report.status:
        case "hit_exact":
            return f'hit; ttl={int(report.ttl_s or 0)}; detail="exact"'
        case "hit_semantic":
            return f'hit; ttl={int(report.ttl_s or 0)}; detail="similarity={report.similarity:.3f}"'
        case "miss":
            return "fwd=miss"
        case "refresh":
            return "fwd=request"
        case "bypass" | "error":
            return f"fwd=bypass; detail={report.reason or report.status}"


def _server_timing(total_ms: float, upstream_ms: float) -> str:
    gateway_ms = max(0.0, total_ms - upstream_ms)
    return f"total;dur={total_ms:.1f}, upstream;dur={upstream_ms:.1f}, gateway;dur={gateway_ms:.1f}"
