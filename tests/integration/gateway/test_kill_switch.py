"""What stops the semantic cache is in effect in every web process."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest
from asgiref.sync import sync_to_async

from caching.models import CachePolicy, CacheSwitch
from caching.modes import allow, move
from tests.gateway_house import House
from tests.integration.gateway.test_feedback_processes import ASIDE, CAPITAL, ask, know_vectors
from tests.integration.gateway.test_streams import until
from tests.web_processes import Web, running_web


@pytest.fixture
def webs(house: House) -> Iterator[list[Web]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_web()) for _ in range(2)]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as made:
        yield made


async def test_each_kill_switch_and_each_step_down_reaches_two_processes(
    house: House, webs: list[Web], client: httpx.AsyncClient
) -> None:
    async def both_say(status: str, reason: str | None = None) -> bool:
        asked = [await ask(client, web, house.alice, ASIDE, cache={"mode": "read_only"}) for web in webs]
        return all((each["cache"]["status"], each["cache"]["reason"]) == (status, reason) for each in asked)

    await know_vectors(house.tenant.pk)
    policy = await CachePolicy.objects.aget(tenant=house.tenant)
    await ask(client, webs[0], house.alice, CAPITAL)
    await until(lambda: both_say("hit_semantic"))

    await sync_to_async(allow)(policy.pk, allowed=False)
    await until(lambda: both_say("miss", "semantic_off"))
    await sync_to_async(allow)(policy.pk, allowed=True)
    await until(lambda: both_say("hit_semantic"))

    switch = await CacheSwitch.objects.acreate(semantic_enabled=False)
    await until(lambda: both_say("miss"))
    switch.semantic_enabled = True
    await switch.asave()
    await until(lambda: both_say("hit_semantic"))

    await sync_to_async(move)(policy.pk, before="strict", to="shadow", calibrated=True)
    await until(lambda: both_say("miss", "shadow"))
