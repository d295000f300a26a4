"""Personal details from end to end: what one person told, and what was answered to them, reaches nobody else."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from caching.models import CacheEntry, CachePolicy
from gateway.testing import ScriptedUpstream
from tests.gateway_house import House

DETAILS = "My e-mail is ann@example.com, which greeting suits a letter to the council?"
REPHRASED = "Which greeting suits a letter to the council? My e-mail is ann@example.com,"
ORDINARY = "Which greeting suits a letter to the council?"
NUMBER = "Your reference is 4711-0815-2342-9999."


async def share_widely(house: House) -> None:
    await CachePolicy.objects.filter(tenant=house.tenant).aupdate(sharing="tenant")
    policy = await CachePolicy.objects.aget(tenant=house.tenant)
    await policy.asave()
    await house.parts.policies.refresh()


@pytest.fixture(params=["key", "tenant"])
async def shared_house(house: House, request: pytest.FixtureRequest) -> House:
    """A house whose tenant shares answers per key, or among all its keys."""
    if request.param == "tenant":
        await share_widely(house)
    return house


async def test_a_question_with_details_never_crosses_from_one_user_to_another(shared_house: House) -> None:
    house = shared_house
    assert await house.status(house.alice, DETAILS, user="ann") == "miss"
    for user in ("bob", "ann ", "ANN"):
        for prompt in (DETAILS, REPHRASED):
            wish = {"mode": "read_only"}
            assert await house.status(house.alice, prompt, user=user, cache=wish) == "miss"
    assert await house.status(house.alice, DETAILS) == "bypass"
    assert await house.status(house.bob, DETAILS, user="ann") == "miss"
    assert await house.status(house.charlie, DETAILS, user="ann") == "miss"
    assert await house.status(house.alice, DETAILS, user="ann") == "hit_exact"
    assert await house.status(house.alice, REPHRASED, user="ann") == "hit_semantic"


async def test_details_in_an_earlier_turn_hold_for_the_whole_conversation(shared_house: House) -> None:
    house = shared_house
    messages = [
        {"role": "user", "content": "Hello, my name is Ann Miller."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": ORDINARY},
    ]

    async def status(**fields: str) -> str:
        response = await house.post(house.alice, {"messages": messages, **fields})
        await house.parts.storer.drain()
        return str(response.json()["cache"]["status"])

    assert [await status(user="ann"), await status(user="bob"), await status()] == ["miss", "miss", "bypass"]
    assert await status(user="ann") == "hit_exact"


async def test_an_answer_that_repeats_details_is_served_to_nobody_else(shared_house: House) -> None:
    house = shared_house
    real, house.parts.upstream = house.parts.upstream, ScriptedUpstream(text=NUMBER)  # type: ignore[assignment]
    try:
        first = await house.ask(house.alice, ORDINARY, user="ann")
    finally:
        house.parts.upstream = real
    assert first["answer"] == NUMBER
    for key, fields in ((house.alice, {"user": "bob"}), (house.alice, {}), (house.bob, {"user": "ann"})):
        answer = await house.ask(key, ORDINARY, cache={"mode": "read_only"}, **fields)
        assert (answer["cache"]["status"], NUMBER in answer["answer"]) == ("miss", False)
    assert not await sync_to_async(CacheEntry.objects.filter(tenant=house.tenant).exists)()


async def test_callers_who_wait_for_the_same_answer_get_none_with_somebodys_details(house: House) -> None:
    """Those who ask at the same time would share one call upstream."""
    upstream = ScriptedUpstream(text=NUMBER)
    real, house.parts.upstream = house.parts.upstream, upstream  # type: ignore[assignment]
    try:
        bodies = [{"prompt": ORDINARY, "user": user} for user in ("ann", "bob", "eve")]
        responses = await asyncio.gather(*(house.post(house.alice, body) for body in bodies))
    finally:
        house.parts.upstream = real
    assert [response.json()["cache"]["status"] for response in responses] == ["miss"] * 3
    assert len(upstream.asked) == 3


async def test_an_answer_with_details_is_kept_for_the_one_whose_they_are(house: House) -> None:
    real, house.parts.upstream = house.parts.upstream, ScriptedUpstream(text=NUMBER)  # type: ignore[assignment]
    try:
        await house.ask(house.alice, DETAILS, user="ann")
    finally:
        house.parts.upstream = real
    again = await house.ask(house.alice, DETAILS, user="ann")
    assert (again["cache"]["status"], again["answer"]) == ("hit_exact", NUMBER)
    other = await house.ask(house.alice, DETAILS, user="bob")
    assert (other["cache"]["status"], NUMBER in other["answer"]) == ("miss", False)
