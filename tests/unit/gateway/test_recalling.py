from dataclasses import replace
from typing import Any
from uuid import uuid4

from caching.answers import StoredAnswer
from caching.policy import CacheSwitches
from gateway import recalling
from gateway.admission import Admission, Arrival, Caller
from gateway.call import CacheWish, ChatCall
from gateway.planning import Plan, plan_call
from routing.catalog import Catalog, Price, Target, TenantRules
from tenants.policy import GatewayPolicy, KeyPolicy, RequestLimits, TenantPolicy
from tests.caching_values import rules

NO_LIMITS = RequestLimits()
RULES = rules(ttl_seconds=100, max_ttl_seconds=50)


def target(provider: str, name: str, number: int, *, input_pico: int = 1_000_000) -> Target:
    price = Price(
        effective_from=0, input_pico=input_pico, output_pico=0, cache_read_pico=0, cache_write_pico=0
    )
    return Target(
        id=number,
        provider=provider,
        name=name,
        upstream_name=name,
        tier="cheap",
        context_tokens=1000,
        aliases=(),
        prices=(price,),
    )


def plan(*targets: Target, models: frozenset[str] = frozenset(), **wish: Any) -> Plan:
    key = KeyPolicy(
        public_id="k",
        label="",
        scopes=frozenset({"chat"}),
        models=models,
        limits=NO_LIMITS,
        expires_at=None,
    )
    parts = {"CacheRules": RULES, "TenantRules": TenantRules(rules=())}
    gateway_parts = {
        "Catalog": Catalog(targets=targets, providers=(), rules=()),
        "CacheSwitches": CacheSwitches(semantic_enabled=True),
    }
    caller = Caller.of(
        TenantPolicy(tenant_id=1, slug="a", version=1, limits=NO_LIMITS, keys={}, parts=parts),
        key,
        GatewayPolicy(version=1, limits=NO_LIMITS, parts=gateway_parts),
    )
    admission = Admission(arrival=Arrival.now(), caller=caller)
    call = ChatCall(
        admission=admission,
        endpoint="/chat",
        model_asked="auto",
        messages=({"role": "user", "content": "Why is the sky blue?"},),
        params={},
        cache=CacheWish(**wish),
    )
    planned = plan_call(call)
    assert isinstance(planned, Plan)
    return planned


def stored(provider: str, model: str) -> StoredAnswer:
    return StoredAnswer(
        entry=uuid4(),
        text="Because.",
        message={},
        model=model,
        provider=provider,
        finish_reason="stop",
        input_tokens=10,
        output_tokens=5,
        cost_nano=77,
        complexity="simple",
        key_public_id="k",
        request_id=uuid4(),
        created_at=0.0,
        expires_at=1.0,
    )


def test_a_saving_is_what_asking_again_would_cost_now() -> None:
    planned = plan(target("demo", "small", 1, input_pico=2_000_000))
    assert recalling.saving_nano(planned, stored("demo", "small"), now=10.0) == 10 * 2_000


def test_what_the_provider_had_cached_would_be_as_cheap_again() -> None:
    planned = plan(target("demo", "small", 1, input_pico=2_000_000))
    cached = replace(stored("demo", "small"), cached_input_tokens=8)
    assert recalling.saving_nano(planned, cached, now=10.0) == 2 * 2_000


def test_a_model_that_is_gone_saves_what_it_had_cost() -> None:
    planned = plan(target("demo", "small", 1))
    assert recalling.saving_nano(planned, stored("demo", "retired"), now=10.0) == 77


def test_a_bare_name_that_only_one_of_two_providers_may_serve_is_not_usable() -> None:
    planned = plan(
        target("one", "same", 1), target("two", "same", 2), target("one", "own", 3),
        models=frozenset({"auto", "one/same", "one/own"}),
    )  # fmt: skip
    assert planned.call.admission.caller.usable_models == {"own"}


def test_a_callers_ttl_cannot_exceed_the_tenants_limit() -> None:
    assert plan(target("demo", "small", 1), ttl_s=1000).ttl_s == 50
    assert plan(target("demo", "small", 1), ttl_s=10).ttl_s == 10
    assert plan(target("demo", "small", 1)).ttl_s == 100


def test_a_caller_who_reads_only_writes_nothing() -> None:
    planned = plan(target("demo", "small", 1), mode="read_only")
    assert (planned.reads_exact, planned.reads_similar) == (True, True)
    assert (planned.writes, planned.writes_similar) == (False, False)


def test_a_caller_who_refreshes_reads_nothing() -> None:
    planned = plan(target("demo", "small", 1), mode="refresh")
    assert (planned.reads_exact, planned.reads_similar) == (False, False)
    assert (planned.writes, planned.writes_similar) == (True, True)
