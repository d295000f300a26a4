from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from caching.models import CachePolicy, JudgedPair
from tests.changing_upstream import ChangingUpstream, running_changing_upstream
from tests.gateway_house import House, WordEmbedder, open_house

pytestmark = pytest.mark.asyncio

STORED = "Which office handles parking requests"
REPHRASED = "Which office handles parking requests please"


@pytest.fixture(scope="module")
def served_upstream() -> Iterator[ChangingUpstream]:
    with running_changing_upstream() as running:
        yield running


@pytest.fixture
def upstream(served_upstream: ChangingUpstream) -> ChangingUpstream:
    served_upstream.answer = lambda prompt: "The office that you want is in Berlin."
    served_upstream.asked.clear()
    served_upstream.status = 200
    return served_upstream


@pytest.fixture
async def house(
    upstream: ChangingUpstream,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    """A gateway that audits every semantic hit."""
    async with open_house(upstream.as_demo, WordEmbedder()) as opened:
        opened.parts.auditor._dice = lambda: 0.0
        yield opened


async def set_policy(house: House, **fields: Any) -> None:
    def save() -> None:
        policy = CachePolicy.objects.get(tenant=house.tenant)
        for name, value in fields.items():
            setattr(policy, name, value)
        policy.save()

    await sync_to_async(save)()
    await house.parts.policies.refresh()


async def ask_twice(house: House) -> None:
    """Ask a question and, differently, once more; whatever goes on behind is finished."""
    assert await house.status(house.alice, STORED) == "miss"
    await house.parts.auditor.drain()
    await house.status(house.alice, REPHRASED)
    await settle(house)


async def settle(house: House) -> None:
    await house.parts.auditor.drain()
    await house.parts.storer.drain()


async def pairs(house: House) -> list[JudgedPair]:
    return [pair async for pair in JudgedPair.objects.filter(tenant=house.tenant)]


async def test_a_served_hit_is_asked_upstream_again_and_compared(
    house: House, upstream: ChangingUpstream
) -> None:
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.origin, pair.verdict, pair.label, pair.method) == ("audit", "serve", "same", "exact")
    assert (pair.question, pair.stored_question) == (REPHRASED, STORED)
    assert len(upstream.asked) == 2
    assert upstream.asked[1]["messages"] == [{"role": "user", "content": REPHRASED}]
    hit = next(record for record in house.records if record.cache_status == "hit_semantic")
    assert (pair.request_id, pair.entry) == (hit.id, hit.entry_id)


async def test_an_audit_costs_but_is_no_request(house: House) -> None:
    await ask_twice(house)
    [pair] = await pairs(house)
    [audit] = [record for record in house.records if record.purpose == "audit"]
    assert len(house.records) == 3
    assert audit.cost_nano == pair.cost_nano > 0
    assert audit.cache_status == ""
    assert audit.entry_id == pair.entry


async def test_a_wrong_hit_gives_way_to_the_fresh_answer(house: House, upstream: ChangingUpstream) -> None:
    assert await house.status(house.alice, STORED) == "miss"
    upstream.answer = lambda prompt: "The office that you want is in Munich."
    served = await house.ask(house.alice, REPHRASED)
    assert (served["cache"]["status"], served["answer"]) == (
        "hit_semantic",
        "The office that you want is in Berlin.",
    )
    await settle(house)
    [pair] = await pairs(house)
    assert pair.label == "different"
    again = await house.ask(house.alice, REPHRASED)
    assert again["answer"] == "The office that you want is in Munich."


async def test_the_budget_ends_audits(house: House, upstream: ChangingUpstream) -> None:
    await set_policy(house, audit_budget_usd=Decimal(0))
    await ask_twice(house)
    assert await pairs(house) == []
    assert len(upstream.asked) == 1


async def test_audits_can_be_switched_off(house: House, upstream: ChangingUpstream) -> None:
    await set_policy(house, audits_enabled=False)
    await ask_twice(house)
    assert len(upstream.asked) == 1


async def test_in_shadow_the_answer_at_hand_is_compared_for_nothing(
    house: House, upstream: ChangingUpstream
) -> None:
    await set_policy(house, semantic_mode="shadow")
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.origin, pair.verdict, pair.label, pair.cost_nano) == ("shadow", "serve", "same", 0)
    assert len(upstream.asked) == 2
    assert {record.purpose for record in house.records} == {"request"}


async def test_an_upstream_that_fails_costs_the_caller_nothing(
    house: House, upstream: ChangingUpstream
) -> None:
    assert await house.status(house.alice, STORED) == "miss"
    upstream.status = 500
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    await settle(house)
    assert await pairs(house) == []
