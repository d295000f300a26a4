"""Calls that ask the same at the same time, in one process: one of them asks upstream."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis
from asgiref.sync import sync_to_async
from prometheus_client import REGISTRY
from pytest_django import Settings

from caching.coalescing import Flights
from caching.leases import RedisLeases
from tenants.services import key_issue
from tests.demo_upstream import Demo, running_demo
from tests.gateway_house import House, WordEmbedder, open_house
from tests.own_valkey import own_valkey
from tests.records import until

CAPITAL = "What is the capital of France?"
ROLES = ("lead", "lead_unleased", "follow", "alone")


@pytest.fixture(scope="module")
def slow_upstream() -> Iterator[Demo]:
    """An upstream that takes long enough for everybody to come in time."""
    with running_demo(latency_ms=1000) as demo:
        yield demo


@pytest.fixture
async def slow_house(
    slow_upstream: Demo, transactional_db: None, cache_redis: "redis.Redis", state_redis: "redis.Redis"
) -> AsyncIterator[House]:
    slow_upstream.reset()
    async with open_house(slow_upstream, WordEmbedder()) as opened:
        yield opened


async def ask_many(
    house: House, number: int, *, key: str | None = None, **fields: Any
) -> list[httpx.Response]:
    body = {"prompt": CAPITAL, **fields}
    return await asyncio.gather(*(house.post(key or house.alice, body) for _ in range(number)))


def kinds(responses: list[httpx.Response]) -> Counter[tuple[str, str | None]]:
    """Count the answers by cache status and reason."""
    caches = [response.json()["cache"] for response in responses]
    return Counter((cache["status"], cache["reason"]) for cache in caches)


def roles() -> Counter[str]:
    """Count the calls of this process that could coalesce, by role."""
    counted = (
        (role, REGISTRY.get_sample_value("halfpenny_coalesced_total", {"role": role})) for role in ROLES
    )
    return Counter({role: int(count or 0) for role, count in counted})


def waiting(house: House) -> int:
    """Count the calls of this process that wait for a leader."""
    return sum(len(flight._waiting) for flight in house.parts.flights._aloft.values())


def events_of(response: httpx.Response) -> list[str]:
    """Return the data of each event of a stream."""
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    return [event.removeprefix("data: ") for event in response.text.split("\n\n") if event]


async def share_with_all_keys(house: House) -> None:
    policy = await sync_to_async(lambda: house.tenant.cache_policy)()
    policy.sharing = "tenant"
    await policy.asave()
    await house.parts.policies.refresh()


async def test_fifty_identical_calls_make_one_upstream_call(slow_house: House) -> None:
    responses = await ask_many(slow_house, 50)
    assert slow_house.demo.calls() == 1
    assert {response.json()["answer"] for response in responses} == {"The capital of France is Paris."}
    assert sum(kinds(responses).values()) == 50
    assert kinds(responses)["hit_exact", "coalesced"] == 49


async def test_what_callers_did_is_counted(slow_house: House) -> None:
    before = roles()
    await ask_many(slow_house, 10)
    assert roles() - before == {"lead": 1, "follow": 9}
    await ask_many(slow_house, 3, max_tokens=2)
    assert roles() - before == {"lead": 2, "follow": 9, "alone": 2}


async def test_followers_are_recorded_as_hits_that_cost_nothing(slow_house: House) -> None:
    await ask_many(slow_house, 10)
    led = [record for record in slow_house.records if record.cache_status == "miss"]
    followed = [record for record in slow_house.records if record.cache_reason == "coalesced"]
    assert (len(led), len(followed)) == (1, 9)
    assert {(record.cache_status, record.cost_nano) for record in followed} == {("hit_exact", 0)}
    assert {record.saved_nano for record in followed} == {led[0].cost_nano}
    assert led[0].cost_nano > 0
    # They waited for upstream, if not by a call of their own.
    assert all(record.upstream_ms > 0 and not record.attempts for record in followed)


async def test_the_headers_of_a_follower_say_what_it_was(slow_house: House) -> None:
    responses = await ask_many(slow_house, 2)
    (follower,) = [each for each in responses if each.json()["cache"]["reason"] == "coalesced"]
    assert follower.headers["x-gateway-cache"] == "hit_exact"
    assert follower.json()["cost"]["usd"] == "0.000000000"


async def test_each_tenant_and_key_that_shares_with_nobody_asks_for_itself(slow_house: House) -> None:
    house = slow_house
    groups = await asyncio.gather(
        *(ask_many(house, 5, key=key) for key in (house.alice, house.bob, house.charlie))
    )
    assert house.demo.calls() == 3
    for responses in groups:
        assert kinds(responses)["hit_exact", "coalesced"] == 4


async def test_keys_that_share_answers_share_the_call(slow_house: House) -> None:
    await share_with_all_keys(slow_house)
    await asyncio.gather(*(ask_many(slow_house, 5, key=key) for key in (slow_house.alice, slow_house.bob)))
    assert slow_house.demo.calls() == 1


async def test_a_key_that_may_not_use_the_leaders_model_asks_for_itself(slow_house: House) -> None:
    house = slow_house
    await share_with_all_keys(house)
    issued = await sync_to_async(key_issue)(house.tenant, label="large", models=["large-1"])
    await house.parts.policies.refresh()
    leading = asyncio.create_task(house.post(house.alice, {"prompt": CAPITAL}))
    await until(lambda: house.demo.calls() == 1)
    answered = (await house.post(issued.plaintext, {"prompt": CAPITAL})).json()
    assert (await leading).json()["model"] == "small-1"
    assert (answered["model"], answered["cache"]["status"]) == ("large-1", "miss")


@pytest.mark.parametrize("mode", ["off", "read_only", "refresh"])
async def test_calls_that_may_not_both_read_and_write_ask_for_themselves(house: House, mode: str) -> None:
    await ask_many(house, 5, cache={"mode": mode})
    assert house.demo.calls() == 5


async def test_a_call_that_takes_no_answer_of_any_age_asks_for_itself(house: House) -> None:
    await ask_many(house, 5, cache={"max_age": 0})
    assert house.demo.calls() == 5


async def test_an_answer_that_was_cut_is_nobody_elses(house: House) -> None:
    responses = await ask_many(house, 5, max_tokens=2)
    assert house.demo.calls() == 5
    assert {response.json()["finish_reason"] for response in responses} == {"length"}


async def test_after_a_failed_leader_one_follower_takes_over(slow_house: House) -> None:
    responses = await ask_many(slow_house, 10, prompt=f"{CAPITAL} [[fault:400:1]]")
    assert slow_house.demo.calls() == 2
    assert Counter(response.status_code == 200 for response in responses) == {True: 9, False: 1}
    answered = [response for response in responses if response.status_code == 200]
    assert kinds(answered)["hit_exact", "coalesced"] == 8


async def test_an_upstream_that_fails_for_good_is_asked_once_by_each(house: House) -> None:
    responses = await ask_many(house, 10, prompt=f"{CAPITAL} [[fault:400]]")
    assert house.demo.calls() == 10
    assert 200 not in {response.status_code for response in responses}
    assert {record.cache_status for record in house.records} == {"miss"}


async def test_a_leader_that_hangs_up_hands_over_at_once(house: House) -> None:
    body = {"prompt": f"{CAPITAL} [[fault:hang:1]]"}
    leader = asyncio.create_task(house.post(house.alice, body))
    await until(lambda: house.demo.calls() == 1)
    followers = [asyncio.create_task(house.post(house.alice, body)) for _ in range(9)]
    await until(lambda: waiting(house) == 9)
    leader.cancel()
    responses = await asyncio.gather(*followers)
    assert house.demo.calls() == 2
    assert kinds(responses)["hit_exact", "coalesced"] == 8
    assert [record.status for record in house.records].count(499) == 1


async def test_a_follower_that_streams_gets_the_whole_answer_in_pieces(slow_house: House) -> None:
    body = {"prompt": CAPITAL, "stream": True}
    plain, *streams = await asyncio.gather(
        slow_house.post(slow_house.alice, {"prompt": CAPITAL}),
        *(slow_house.post(slow_house.alice, body) for _ in range(4)),
    )
    assert slow_house.demo.calls() == 1
    for response in streams:
        *pieces, whole, done = events_of(response)
        assert "".join(orjson.loads(piece)["delta"] for piece in pieces) == plain.json()["answer"]
        assert (orjson.loads(whole)["cache"]["reason"], done) == ("coalesced", "[DONE]")


async def test_a_leader_that_streams_has_followers_of_every_kind(slow_house: House) -> None:
    house = slow_house
    leading = asyncio.create_task(house.post(house.alice, {"prompt": CAPITAL, "stream": True}))
    await until(lambda: house.demo.calls() == 1)
    bodies = [{"prompt": CAPITAL, "stream": stream} for stream in (True, False)]
    streamed, plain = await asyncio.gather(*(house.post(house.alice, body) for body in bodies))
    assert house.demo.calls() == 1
    assert orjson.loads(events_of(await leading)[-2])["cache"]["status"] == "miss"
    assert orjson.loads(events_of(streamed)[-2])["cache"]["reason"] == "coalesced"
    assert plain.json()["cache"]["reason"] == "coalesced"


async def test_a_leader_that_hangs_up_amid_its_stream_hands_over(slow_house: House) -> None:
    house = slow_house
    leader = asyncio.create_task(house.post(house.alice, {"prompt": CAPITAL, "stream": True}))
    await until(lambda: bool(house.parts.relays) and next(iter(house.parts.relays)).begun)
    followers = [asyncio.create_task(house.post(house.alice, {"prompt": CAPITAL})) for _ in range(5)]
    await until(lambda: waiting(house) == 5)
    leader.cancel()
    responses = await asyncio.gather(*followers)
    assert house.demo.calls() == 2
    assert kinds(responses)["hit_exact", "coalesced"] == 4
    (hung_up,) = [record for record in house.records if record.status == 499]
    assert hung_up.cost_nano > 0


async def test_a_frozen_state_redis_costs_nobody_the_answer(
    slow_house: House, tmp_path: Path, settings: Settings
) -> None:
    house = slow_house
    await house.ask(house.alice, "Warm up, please", cache={"mode": "off"})
    house.demo.reset()
    with own_valkey(tmp_path) as own:
        settings.REDIS_STATE_URL = own.url
        settings.REDIS_TIMEOUT_SECONDS = 0.1
        leases = RedisLeases()
        kept, house.parts.flights = house.parts.flights, Flights(leases, house.parts.exact)
        own.freeze()
        responses = await ask_many(house, 50)
        assert house.demo.calls() == 1
        assert {response.status_code for response in responses} == {200}
        await house.parts.flights.close()
        await leases.close()
        house.parts.flights = kept
