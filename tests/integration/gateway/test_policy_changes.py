"""A saved change is in effect in a running gateway, without a restart."""

import asyncio
from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async

from caching.models import CachePolicy, CacheSwitch
from tenants.services import key_issue, key_revoke
from tests.gateway_house import House

CAPITAL = "What is the capital of France?"
REPHRASED = "The capital of France is what?"


async def eventually(holds: Callable[[], Awaitable[bool]]) -> bool:
    for _ in range(300):
        if await holds():
            return True
        await asyncio.sleep(0.1)
    return False


async def set_policy(house: House, **fields: object) -> None:
    policy = await CachePolicy.objects.aget(tenant=house.tenant)
    for name, value in fields.items():
        setattr(policy, name, value)
    await policy.asave()


async def test_a_revoked_key_is_refused(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="short-lived")
    assert (await house.post(issued.plaintext, {"prompt": CAPITAL})).status_code == 200
    await sync_to_async(key_revoke)(issued.row.public_id)

    async def refused() -> bool:
        return (await house.post(issued.plaintext, {"prompt": CAPITAL})).status_code == 401

    assert await eventually(refused)


async def test_a_tenants_kill_switch_stops_the_semantic_cache(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await set_policy(house, semantic_enabled=False)

    async def missed() -> bool:
        wish = {"mode": "read_only"}
        return await house.status(house.alice, REPHRASED, cache=wish) == "miss"

    assert await eventually(missed)


async def test_the_gateway_wide_kill_switch_stops_every_tenants(house: House) -> None:
    await house.ask(house.charlie, CAPITAL)
    await CacheSwitch.objects.acreate(semantic_enabled=False)

    async def missed() -> bool:
        wish = {"mode": "read_only"}
        return await house.status(house.charlie, REPHRASED, cache=wish) == "miss"

    assert await eventually(missed)


async def test_shadow_mode_decides_and_records_but_never_serves(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await set_policy(house, semantic_mode="shadow")

    async def shadowed() -> bool:
        answer = await house.ask(house.alice, REPHRASED, cache={"mode": "read_only"})
        return (answer["cache"]["status"], answer["cache"]["reason"]) == ("miss", "shadow")

    assert await eventually(shadowed)
    assert house.records[-1].decision["candidates"][0]["verdict"] == "serve"


async def test_sharing_by_tenant_lets_one_key_use_anothers_answers(house: House) -> None:
    await set_policy(house, sharing="tenant")

    async def shared() -> bool:
        await house.ask(house.alice, CAPITAL)
        return await house.status(house.bob, CAPITAL, cache={"mode": "read_only"}) == "hit_exact"

    assert await eventually(shared)
    assert await house.status(house.charlie, CAPITAL) == "miss"
