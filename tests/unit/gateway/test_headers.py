from uuid import uuid4

import pytest

from gateway import headers
from gateway.admission import Admission, Arrival, Caller
from gateway.call import CacheReport, CacheStatus, ChatOutcome
from gateway.errors import INVALID_KEY, rate_limited
from tenants.limits import LimitVerdict, Window, WindowState
from tenants.policy import GatewayPolicy, KeyPolicy, RequestLimits, TenantPolicy


def state(name: str, limit: int, remaining: int) -> WindowState:
    window = Window(name=name, owner="x", seconds=60, limit=limit)  # type: ignore[arg-type]
    return WindowState(window=window, remaining=remaining, reset_s=30)


VERDICT = LimitVerdict(
    refused_by=None,
    states=(state("key", 10, 7), state("tenant", 100, 3), state("gateway", 1000, 1)),
    counted="shared",
)


def admission() -> Admission:
    limits = RequestLimits()
    key = KeyPolicy(
        public_id="k", label="", scopes=frozenset(), models=frozenset(), limits=limits, expires_at=None
    )
    caller = Caller(
        tenant=TenantPolicy(tenant_id=1, slug="a", version=1, limits=limits, keys={}, parts={}),
        key=key,
        gateway=GatewayPolicy(version=1, limits=limits, parts={}),
        windows=(),
        usable_models=frozenset(),
    )
    return Admission(arrival=Arrival.now(), caller=caller, limits=VERDICT)


def text_of(head: bytes) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers.fields(head)}


def test_the_tightest_window_is_shown() -> None:
    found = text_of(headers.of_limits(VERDICT))
    assert found["ratelimit"] == '"tenant-minute";r=3;t=30'
    assert found["x-ratelimit-remaining-requests"] == "3"


def test_the_gateway_wide_window_is_never_shown() -> None:
    assert "gateway" not in str(headers.of_limits(VERDICT))


def test_a_hit_says_so_in_both_headers() -> None:
    report = CacheReport(status="hit_semantic", similarity=0.91234, ttl_s=99.9, entry=uuid4())
    found = text_of(headers.of_outcome("req_X", admission().limits, ChatOutcome(cache=report), 1.0))
    assert found["x-gateway-cache"] == "hit_semantic"
    assert found["cache-status"] == 'halfpenny; hit; ttl=99; detail="similarity=0.912"'


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("hit_exact", "stale", "halfpenny; hit; ttl=-1; detail=stale"),
        ("hit_semantic", "stale", "halfpenny; hit; ttl=-1; detail=stale"),
        ("hit_exact", "stale_on_error", "halfpenny; fwd=stale; ttl=-1; detail=stale_on_error"),
    ],
)
def test_a_stale_hit_says_so_in_a_header_of_its_own_too(status: CacheStatus, reason: str, told: str) -> None:
    report = CacheReport(status=status, reason=reason, similarity=0.9, ttl_s=-0.2, entry=uuid4(), stale=True)
    found = text_of(headers.of_outcome("req_X", admission().limits, ChatOutcome(cache=report), 1.0))
    assert (found["x-gateway-cache"], found["x-gateway-cache-stale"]) == (status, "1")
    assert found["cache-status"] == told


def test_a_refusal_says_nothing_of_the_cache() -> None:
    outcome = ChatOutcome(refusal=rate_limited("key", 10, 60, 12), cache=CacheReport(status="miss"))
    found = text_of(headers.of_outcome("req_X", admission().limits, outcome, 1.0))
    assert found["retry-after"] == "12"
    assert not {"x-gateway-cache", "cache-status"} & found.keys()


def test_a_final_refusal_asks_not_to_retry() -> None:
    assert text_of(headers.of_refusal(INVALID_KEY))["x-should-retry"] == "false"
