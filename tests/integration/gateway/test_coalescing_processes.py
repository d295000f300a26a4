"""Calls that ask the same at the same time of two real web processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import redis

from tests.demo_upstream import Demo, running_demo
from tests.gateway_house import House, WordEmbedder, bearer, open_house
from tests.integration.gateway.test_counts import without_l2
from tests.records import until
from tests.web_processes import Web, running_web

CAPITAL = "What is the capital of France?"


@pytest.fixture(scope="module")
def slow_upstream() -> Iterator[Demo]:
    with running_demo(latency_ms=1000) as demo:
        yield demo


@pytest.fixture
async def slow_house(
    slow_upstream: Demo, transactional_db: None, cache_redis: "redis.Redis", state_redis: "redis.Redis"
) -> AsyncIterator[House]:
    slow_upstream.reset()
    async with open_house(slow_upstream, WordEmbedder()) as opened:
        # There is no embedding worker beside the web processes.
        await without_l2(opened)
        yield opened


@pytest.fixture
def webs(slow_house: House) -> Iterator[list[Web]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_web()) for _ in range(2)]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as made:
        yield made


async def ask(client: httpx.AsyncClient, web: Web, key: str, prompt: str = CAPITAL) -> dict[str, Any]:
    response = await client.post(f"{web.url}/chat", headers=bearer(key), json={"prompt": prompt})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_two_hundred_identical_calls_of_two_processes_make_one_upstream_call(
    slow_house: House, webs: list[Web], client: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(
        *(ask(client, webs[number % 2], slow_house.alice) for number in range(200))
    )
    # Two, should a process be held up for longer than a lease.
    assert slow_house.demo.calls() in (1, 2)
    assert {answer["answer"] for answer in answers} == {"The capital of France is Paris."}
    assert len(answers) == 200
    assert sum(answer["cache"]["status"] == "hit_exact" for answer in answers) >= 198


async def test_of_a_killed_leader_one_follower_takes_over(
    slow_house: House, webs: list[Web], client: httpx.AsyncClient
) -> None:
    prompt = f"{CAPITAL} [[fault:hang:1]]"
    leader = asyncio.create_task(ask(client, webs[0], slow_house.alice, prompt))
    await until(lambda: slow_house.demo.calls() == 1)
    followers = [asyncio.create_task(ask(client, webs[1], slow_house.alice, prompt)) for _ in range(20)]
    await asyncio.sleep(0.2)
    webs[0].process.kill()
    answers = await asyncio.gather(*followers)
    assert slow_house.demo.calls() == 2
    statuses = [answer["cache"]["status"] for answer in answers]
    assert statuses.count("hit_exact") == 19
    with pytest.raises(httpx.HTTPError):
        await leader


async def test_a_leader_that_hangs_up_hands_over_to_the_other_process(
    slow_house: House, webs: list[Web], client: httpx.AsyncClient
) -> None:
    prompt = f"{CAPITAL} [[fault:hang:1]]"
    leader = asyncio.create_task(ask(client, webs[0], slow_house.alice, prompt))
    await until(lambda: slow_house.demo.calls() == 1)
    followers = [asyncio.create_task(ask(client, webs[1], slow_house.alice, prompt)) for _ in range(20)]
    await asyncio.sleep(0.2)
    leader.cancel()
    answers = await asyncio.gather(*followers)
    assert slow_house.demo.calls() == 2
    assert [answer["cache"]["status"] for answer in answers].count("hit_exact") == 19
