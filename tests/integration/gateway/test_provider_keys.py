"""Provider keys that fail, seen from outside: what callers get, what is recorded, what operators see."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from gateway import runtime
from routing.models import Provider, ProviderKey
from routing.services import keys_put_back, provider_key_set
from tests.demo_upstream import Demo
from tests.gateway_house import House, WordEmbedder, open_house
from tests.keyed_upstream import KeyedUpstream, Manner, running_keyed_upstream

SECRETS = ("sk-canary-first-01", "sk-canary-second-2", "sk-canary-third-03")
#: So many questions that each key gets one: that a key of three goes without has a chance of 1 in ten million.
ENOUGH = 40


@pytest.fixture(scope="module")
def served() -> Iterator[KeyedUpstream]:
    with running_keyed_upstream() as serving:
        yield serving


@pytest.fixture
async def house(
    demo: Demo,
    served: KeyedUpstream,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    """A gateway whose provider has three keys."""
    served.manners.clear()
    served.calls.clear()
    async with open_house(demo, WordEmbedder()) as opened:
        await sync_to_async(_three_keys)(served)
        await opened.parts.policies.refresh()
        yield opened


def _three_keys(served: KeyedUpstream) -> None:
    provider = Provider.objects.get()
    provider.base_url = served.base_url
    provider.save()
    provider.keys.all().delete()
    for number, secret in enumerate(SECRETS):
        provider_key_set(provider, f"number {number}", secret)


async def asked(house: House, number: int, **fields: Any) -> list[int]:
    """Ask so many different questions; return the statuses."""
    body = {"cache": {"mode": "off"}, "model": "small-1", **fields}
    return [
        (await house.post(house.alice, {"prompt": f"Question {each} of many", **body})).status_code
        for each in range(number)
    ]


async def page(house: House, path: str) -> str:
    return (await house.client.get(path)).text


@pytest.mark.parametrize("status", [401, 500])
async def test_one_key_dead_of_three_goes_unnoticed(house: House, served: KeyedUpstream, status: int) -> None:
    served.manners[SECRETS[0]] = Manner(status=status)
    statuses = await asked(house, 60)
    assert statuses == [200] * 60
    assert 0 < served.calls[SECRETS[0]] <= 6
    assert served.calls["all"] <= 1.25 * 60
    attempts = [attempt for record in house.records for attempt in record.attempts]
    assert len(attempts) == served.calls["all"]
    assert {attempt["status"] for attempt in attempts} == {200, status}


async def test_operators_see_a_key_that_is_out(house: House, served: KeyedUpstream) -> None:
    assert (await house.client.get("/readyz")).json()["degraded"] == []
    served.manners[SECRETS[1]] = Manner(status=403)
    await asked(house, ENOUGH)
    assert (await house.client.get("/readyz")).json()["degraded"] == ["provider_keys"]
    uids = {key.label: str(key.uid)[:8] async for key in ProviderKey.objects.all()}
    metrics = await page(house, "/metrics")
    assert f'halfpenny_provider_key_up{{key="{uids["number 1"]}",provider="demo"}} 0.0' in metrics
    assert f'halfpenny_provider_key_up{{key="{uids["number 0"]}",provider="demo"}} 1.0' in metrics
    assert 'halfpenny_upstream_attempts_total{provider="demo",reason="refused_key"}' in metrics
    assert 'halfpenny_circuit_state{target="demo/small-1"} 0.0' in metrics


async def test_operators_see_an_open_circuit(house: House, served: KeyedUpstream) -> None:
    served.manners["small-1"] = Manner(status=503)
    assert set(await asked(house, 8)) == {503}
    assert (await house.client.get("/readyz")).json()["degraded"] == ["circuits"]
    metrics = await page(house, "/metrics")
    assert 'halfpenny_circuit_state{target="demo/small-1"} 2.0' in metrics
    assert 'halfpenny_circuit_state{target="demo/large-1"} 0.0' in metrics
    served.manners.clear()
    assert await asked(house, 3) == [200] * 3


async def test_a_callers_refusal_says_when_to_come_back_and_not_to_retry_at_once(
    house: House, served: KeyedUpstream
) -> None:
    served.manners["small-1"] = Manner(status=429, headers={"retry-after": "60"})
    response = await house.post(house.alice, {"prompt": "Hello", "model": "small-1"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "60")
    assert response.headers["x-should-retry"] == "false"
    again = await house.post(house.alice, {"prompt": "Hello", "model": "small-1"})
    assert (again.status_code, again.json()["error"]["code"]) == (503, "upstream_unavailable")
    assert 1 <= int(again.headers["retry-after"]) <= 60
    assert served.calls["all"] == 3


async def test_all_keys_refused_is_a_502_and_never_a_401(house: House, served: KeyedUpstream) -> None:
    for secret in SECRETS:
        served.manners[secret] = Manner(status=401)
    for _ in range(3):
        response = await house.post(house.alice, {"prompt": "Hello", "model": "small-1"})
        assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_refused_key")
        shown = response.text + str(response.headers)
        assert not any(secret in shown for secret in SECRETS)
    served.manners.clear()
    assert await asked(house, 2) == [200, 200]


async def test_a_key_that_staff_put_back_is_used_again(house: House, served: KeyedUpstream) -> None:
    served.manners[SECRETS[2]] = Manner(status=401)
    await asked(house, ENOUGH)
    served.manners.clear()
    before = served.calls[SECRETS[2]]
    await asked(house, ENOUGH)
    assert served.calls[SECRETS[2]] == before
    await house.parts.upstream_health.exchange()
    await sync_to_async(_put_all_back)()
    await house.parts.upstream_health.exchange()
    await asked(house, ENOUGH)
    assert served.calls[SECRETS[2]] > before


def _put_all_back() -> None:
    keys_put_back(ProviderKey.objects.all())


async def test_a_replaced_secret_is_used_at_once_though_the_old_one_was_refused(
    house: House, served: KeyedUpstream
) -> None:
    served.manners[SECRETS[0]] = Manner(status=401)
    await asked(house, ENOUGH)
    await sync_to_async(_replace)("sk-canary-new-01")
    await house.parts.policies.refresh()
    await asked(house, ENOUGH)
    assert served.calls["sk-canary-new-01"] > 0


def _replace(secret: str) -> None:
    provider_key_set(Provider.objects.get(), "number 0", secret)


async def test_turns_of_a_conversation_go_to_one_key_and_other_tenants_to_theirs(
    house: House, served: KeyedUpstream
) -> None:
    used: dict[str, set[str]] = {}
    for caller in (house.alice, house.charlie):
        for topic in range(8):
            turns: list[dict[str, str]] = [{"role": "user", "content": f"Tell me about number {topic}."}]
            for _ in range(3):
                before = dict(served.calls)
                body = {"messages": turns, "model": "small-1", "cache": {"mode": "off"}}
                assert (await house.post(caller, body)).status_code == 200
                grown = {secret for secret in SECRETS if served.calls[secret] > before.get(secret, 0)}
                used.setdefault(f"{caller} {topic}", set()).update(grown)
                turns += [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "And?"}]
    assert all(len(keys) == 1 for keys in used.values())
    alices, charlies = (
        [used[f"{caller} {topic}"] for topic in range(8)] for caller in (house.alice, house.charlie)
    )
    assert alices != charlies


async def test_nothing_is_said_of_upstreams_before_the_first_policy(house: House) -> None:
    gateway, house.parts.policies._gateway = house.parts.policies._gateway, None
    try:
        assert "halfpenny_circuit_state" not in await page(house, "/metrics")
    finally:
        house.parts.policies._gateway = gateway
    assert runtime.at_hand() is house.parts
