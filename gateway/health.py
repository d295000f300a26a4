"""What load balancers and Prometheus ask: alive, ready, and how much of everything."""

import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from caching.recall import lost_layers
from gateway import errors, runtime, upstream_standing


async def livez(request: HttpRequest) -> JsonResponse:
    """200 as long as the event loop turns."""
    return JsonResponse({"status": "alive"})


async def readyz(request: HttpRequest) -> JsonResponse:
    """503 before the first policy and while draining; other trouble is listed, not refused.

    A gateway without its caches or its database still answers calls: taking it out of the balancer for that
    would turn a degraded service into none.
    """
    parts = await runtime.parts()
    degraded = sorted(lost_layers() | parts.limiter.degraded() | upstream_standing.degraded(parts))
    if parts.draining or not parts.policies.ready:
        state = "draining" if parts.draining else "no policy yet"
        return JsonResponse({"status": state, "degraded": degraded}, status=503, headers={"Retry-After": "1"})
    return JsonResponse({"status": "ready", "degraded": degraded})


async def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, open on loopback, elsewhere with METRICS_TOKEN."""
    if not (_is_loopback(request) or _has_token(request)):
        return HttpResponse(errors.NOT_FOUND.body(), status=404, content_type="application/json")
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _is_loopback(request: HttpRequest) -> bool:
    # A proxy on this host forwards strangers: what it marks as forwarded is not loopback.
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    return bool(expected) and scheme == "Bearer" and hmac.compare_digest(token.encode(), expected.encode())
