"""Answers past their time: served, marked, while they are asked anew or when upstream fails; else not at all."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
import redis
from asgiref.sync import sync_to_async
from prometheus_client import REGISTRY

from caching import answers
from caching.answers import StoredAnswer
from caching.cache_redis import answer_keys
from caching.coalescing import Flights
from caching.memory import AnswerMemory
from caching.models import CacheEntry, CachePolicy
from gateway.admission import Admission, Arrival, identify
from gateway.failures import FailureKind, UpstreamFailure
from gateway.planning import Plan, plan_call
from gateway.reading import call_of, read_question
from gateway.refreshing import Refresher
from gateway.testing import ScriptedUpstream
from tests.gateway_house import House, bearer

CAPITAL = "What is the capital of France?"
REPHRASED = "Say: what is the capital of France?"
#: The kind that is tried elsewhere at once: no test waits.
DOWN = UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200)
AT_FAULT = UpstreamFailure(FailureKind.REFUSED_REQUEST, status=400)


class Old:
    """A house in which answers can be made older."""

    def __init__(self, house: House, cache_redis: "redis.Redis") -> None:
        self.house = house
        self._redis = cache_redis

    async def allow(self, **seconds: int) -> None:
        policy = await CachePolicy.objects.aget(tenant=self.house.tenant)
        for name, value in seconds.items():
            setattr(policy, name, value)
        await policy.asave()
        await self.house.parts.policies.refresh()

    async def keep(self, prompt: str = CAPITAL, *, past_s: float, **fields: Any) -> None:
        """Have the question answered, so long ago that the answer is so many seconds past its time."""
        await self.house.ask(self.house.alice, prompt, **fields)
        self.house.parts.memory = AnswerMemory(1 << 20, ttl_s=60)
        await sync_to_async(self._make_older)(past_s)
        self.house.demo.reset()

    def _make_older(self, past_s: float) -> None:
        for key in self._redis.scan_iter(match=answer_keys(self.house.tenant.pk)):
            value = self._redis.get(key)
            assert isinstance(value, bytes)
            self._redis.set(key, answers.dump(_older(answers.load(value), past_s)))
        for entry in CacheEntry.objects.filter(tenant=self.house.tenant):
            older = _older(answers.load(orjson.dumps(entry.answer)), past_s)
            entry.answer = orjson.loads(answers.dump(older))
            entry.save(update_fields=["answer"])

    async def fail(self, failure: UpstreamFailure) -> None:
        self.house.parts.upstream = ScriptedUpstream(*[failure] * 50)  # type: ignore[assignment]

    async def settle(self) -> None:
        await self.house.parts.refresher.drain()
        await self.house.parts.storer.drain()


def _older(answer: StoredAnswer, past_s: float) -> StoredAnswer:
    assert answer.fresh_until is not None
    by_s = answer.fresh_until - time.time() + past_s
    return replace(
        answer, created_at=answer.created_at - by_s, fresh_until=answer.fresh_until - by_s,
    )  # fmt: skip


@pytest.fixture
async def old(house: House, cache_redis: "redis.Redis") -> AsyncIterator[Old]:
    real = house.parts.upstream
    yield Old(house, cache_redis)
    house.parts.upstream = real


async def completion(house: House, **fields: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": CAPITAL}], **fields}
    return await house.client.post("/v1/chat/completions", headers=bearer(house.alice), json=body)


async def test_a_stale_answer_is_served_at_once_and_marked_while_it_is_asked_anew(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    response = await old.house.post(old.house.alice, {"prompt": CAPITAL})
    cache = response.json()["cache"]
    assert (cache["status"], cache["reason"], cache["stale"]) == ("hit_exact", "stale", True)
    assert cache["age_s"] > 60_000
    assert response.headers["x-gateway-cache-stale"] == "1"
    ttl = int(response.headers["cache-status"].split("ttl=")[1].split(";")[0])
    assert -60 <= ttl <= -30
    await old.settle()
    assert old.house.demo.calls() == 1
    again = await old.house.post(old.house.alice, {"prompt": CAPITAL})
    assert (again.json()["cache"]["status"], again.json()["cache"]["age_s"]) == ("hit_exact", 0)
    assert "stale" not in again.json()["cache"]
    assert "x-gateway-cache-stale" not in again.headers
    assert old.house.demo.calls() == 1


async def test_a_refresh_is_recorded_as_nobodys_request_with_its_cost(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    del old.house.records[:]
    await old.house.ask(old.house.alice, CAPITAL)
    await old.settle()
    served, refresh = old.house.records
    assert (served.purpose, served.cache_status, served.cache_reason) == ("request", "hit_exact", "stale")
    assert (refresh.purpose, refresh.cache_status, refresh.status) == ("refresh", "refresh", 200)
    assert (refresh.cost_nano > 0, refresh.saved_nano, served.cost_nano) == (True, 0, 0)
    assert refresh.id != served.id


async def test_of_many_who_are_served_a_stale_answer_one_refreshes_it(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    for _ in range(5):
        assert (await old.house.ask(old.house.alice, CAPITAL))["cache"]["status"] == "hit_exact"
    await old.settle()
    assert old.house.demo.calls() == 1


async def admission(house: House) -> Admission:
    found = await identify(Arrival.now(), f"Bearer {house.alice}", house.parts.callers)
    assert isinstance(found, Admission)
    return found


async def planned(house: House) -> Plan:
    question = read_question(orjson.dumps({"prompt": CAPITAL}), "/chat")
    plan = plan_call(call_of(question, await admission(house), "/chat"))
    assert isinstance(plan, Plan)
    return plan


async def test_of_two_processes_one_refreshes(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    here = old.house.parts
    there = replace(here, flights=Flights(here.leases, here.exact), refresher=Refresher())
    plan = await planned(old.house)
    for parts in (here, there):
        parts.refresher.begin(plan, parts)
    await here.refresher.drain()
    await there.refresher.drain()
    await there.flights.close()
    assert old.house.demo.calls() == 1


async def test_what_could_not_be_refreshed_rests_before_it_is_tried_again(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    await old.fail(AT_FAULT)
    for _ in range(3):
        assert (await old.house.ask(old.house.alice, CAPITAL))["cache"]["stale"] is True
        await old.settle()
    assert [each.status for each in old.house.records if each.purpose == "refresh"] == [422]


async def test_a_semantic_hit_may_be_stale_too_and_this_very_question_is_asked_anew(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    cache = (await old.house.ask(old.house.alice, REPHRASED))["cache"]
    assert (cache["status"], cache["reason"], cache["stale"]) == ("hit_semantic", "stale", True)
    await old.settle()
    cache = (await old.house.ask(old.house.alice, REPHRASED))["cache"]
    assert (cache["status"], cache["reason"], cache["age_s"]) == ("hit_exact", None, 0)
    assert old.house.demo.calls() == 1


async def test_a_fresh_answer_wins_over_a_nearer_stale_one(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    await old.house.ask(old.house.alice, "What is the capital of France please?", cache={"mode": "refresh"})
    cache = (await old.house.ask(old.house.alice, REPHRASED))["cache"]
    assert (cache["status"], cache["reason"]) == ("hit_semantic", None)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stale_answer_is_served_when_upstream_fails(old: Old, stream: bool) -> None:
    await old.allow(stale_on_error_seconds=600)
    await old.keep(past_s=30)
    await old.fail(DOWN)
    response = await old.house.post(old.house.alice, {"prompt": CAPITAL, "stream": stream})
    assert response.status_code == 200
    assert "Paris" in response.text
    assert (response.headers["x-gateway-cache"], response.headers["x-gateway-cache-stale"]) == (
        "hit_exact",
        "1",
    )
    assert "fwd=stale" in response.headers["cache-status"]
    record = old.house.records[-1]
    assert (record.status, record.cache_reason, record.cost_nano, record.saved_nano) == (
        200,
        "stale_on_error",
        0,
        0,
    )
    assert record.attempts[-1]["reason"] == "invalid_response"


async def test_a_stale_semantic_neighbour_helps_out_too(old: Old) -> None:
    await old.allow(stale_on_error_seconds=600)
    await old.keep(past_s=30)
    await old.fail(DOWN)
    cache = (await old.house.ask(old.house.alice, REPHRASED))["cache"]
    assert (cache["status"], cache["reason"], cache["stale"]) == ("hit_semantic", "stale_on_error", True)
    assert old.house.records[-1].decision["candidates"][-1]["verdict"] == "serve"


async def test_while_upstream_answers_nobody_gets_what_is_only_for_its_failure(old: Old) -> None:
    await old.allow(stale_on_error_seconds=600)
    await old.keep(past_s=30)
    cache = (await old.house.ask(old.house.alice, CAPITAL))["cache"]
    assert (cache["status"], "stale" in cache) == ("miss", False)
    assert await old.house.status(old.house.alice, CAPITAL) == "hit_exact"
    assert old.house.demo.calls() == 1


async def test_a_request_that_is_itself_at_fault_gets_no_older_answer(old: Old) -> None:
    await old.allow(stale_on_error_seconds=600)
    await old.keep(past_s=30)
    await old.fail(AT_FAULT)
    assert (await old.house.post(old.house.alice, {"prompt": CAPITAL})).status_code == 422


@pytest.mark.parametrize(
    "windows", [{}, {"stale_while_revalidate_seconds": 20}, {"stale_on_error_seconds": 20}]
)
async def test_beyond_its_window_a_stale_answer_is_gone(old: Old, windows: dict[str, int]) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    await old.allow(**{"stale_while_revalidate_seconds": 0, **windows})
    await old.fail(DOWN)
    assert (await old.house.post(old.house.alice, {"prompt": CAPITAL})).status_code == 502


async def test_a_callers_greatest_age_wins(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600, stale_on_error_seconds=600)
    await old.keep(past_s=30)
    await old.fail(DOWN)
    for prompt in (CAPITAL, REPHRASED):
        response = await old.house.post(old.house.alice, {"prompt": prompt, "cache": {"max_age": 3600}})
        assert response.status_code == 502


async def test_who_may_not_write_is_not_served_what_could_not_be_refreshed(old: Old) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    assert await old.house.status(old.house.alice, CAPITAL, cache={"mode": "read_only"}) == "miss"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_openai_route_tells_it_by_its_headers(old: Old, stream: bool) -> None:
    await old.allow(stale_while_revalidate_seconds=600)
    await old.keep(past_s=30)
    response = await completion(old.house, stream=stream)
    assert (response.headers["x-gateway-cache"], response.headers["x-gateway-cache-stale"]) == (
        "hit_exact",
        "1",
    )
    assert "Paris" in response.text
    await old.settle()
    response = await completion(old.house, stream=stream)
    assert "x-gateway-cache-stale" not in response.headers


async def test_refreshes_beyond_the_bound_are_left_to_the_next_caller(old: Old) -> None:
    labels = {"outcome": "skipped"}
    before = REGISTRY.get_sample_value("halfpenny_cache_refreshes_total", labels) or 0.0
    Refresher(most_at_once=0).begin(await planned(old.house), old.house.parts)
    assert REGISTRY.get_sample_value("halfpenny_cache_refreshes_total", labels) == before + 1


async def test_what_is_kept_past_its_time_is_deleted_soon_after_its_window(old: Old) -> None:
    await old.allow(static_ttl_seconds=100, stale_while_revalidate_seconds=50, stale_on_error_seconds=200)
    await old.house.ask(old.house.alice, CAPITAL)
    entry = await CacheEntry.objects.aget(tenant=old.house.tenant)
    kept_s = (entry.expires_at - entry.created_at).total_seconds()
    assert 290 <= kept_s <= 301
    assert entry.answer["fresh_until"] == pytest.approx(entry.answer["expires_at"] - 200)
