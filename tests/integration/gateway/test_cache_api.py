"""`DELETE /cache`."""

import asyncio
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection

from caching.models import CacheEntry
from tenants.models import ApiKey
from tests.gateway_house import House, bearer

CAPITAL = "What is the capital of France?"


async def purge(house: House, **selection: Any) -> dict[str, Any]:
    response = await house.client.request("DELETE", "/cache", json=selection, headers=bearer(house.alice))
    assert response.status_code == 200, response.text
    return dict(response.json())


def counts(purged: dict[str, Any]) -> tuple[int, int]:
    return purged["entries"], purged["exact"]


async def test_a_dry_run_counts_and_keeps(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    assert counts(await purge(house, all=True)) == (1, 1)
    assert await house.status(house.alice, CAPITAL) == "hit_exact"


@pytest.mark.parametrize(
    "selection",
    [
        {"all": True},
        {"tag": "geo"},
        {"model": "small-1"},
        {"older_than_s": 0},
        {"prompt": "capital of *FRANCE"},
    ],
)
async def test_purged_answers_serve_no_more(house: House, selection: dict[str, Any]) -> None:
    await house.ask(house.alice, CAPITAL, cache={"tags": ["geo"]})
    assert counts(await purge(house, **selection, dry_run=False)) == (1, 1)
    assert await house.status(house.alice, CAPITAL) == "miss"


async def test_other_answers_stay(house: House) -> None:
    await house.ask(house.alice, CAPITAL, cache={"tags": ["geo"]})
    await house.ask(house.alice, "Hello there", cache={"tags": ["greeting"]})
    await purge(house, tag="geo", dry_run=False)
    assert await house.status(house.alice, "Hello there") == "hit_exact"


async def test_one_entry_is_purged_by_its_id(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    entry = await CacheEntry.objects.aget(tenant=house.tenant)
    assert (await purge(house, entry=str(entry.id), dry_run=False))["entries"] == 1


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"all": True, "tag": "geo"},
        {"entry": "not-an-id"},
        {"prompt": "**"},
        {"prompt": "a\0b"},
        {"prompt": "*a" * 11},
        {"scope": "abc"},
        {"key": ""},
    ],
)
async def test_an_unclear_selection_is_refused(house: House, selection: dict[str, Any]) -> None:
    response = await house.client.request("DELETE", "/cache", json=selection, headers=bearer(house.alice))
    assert response.status_code == 422


async def test_a_key_takes_back_its_own_answers(house: House) -> None:
    for key in (house.alice, house.bob):
        await house.ask(key, CAPITAL)
    public_id = await ApiKey.objects.values_list("public_id", flat=True).aget(
        tenant=house.tenant, label="bob"
    )
    assert counts(await purge(house, key=public_id, dry_run=False)) == (1, 1)
    assert await house.status(house.alice, CAPITAL) == "hit_exact"
    assert await house.status(house.bob, CAPITAL) == "miss"


async def test_a_conversation_is_purged_by_its_scope(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await house.ask(house.bob, CAPITAL)
    entry = await CacheEntry.objects.filter(tenant=house.tenant).afirst()
    assert entry is not None
    purged = await purge(house, scope=bytes(entry.scope).hex(), dry_run=False)
    assert (counts(purged), purged["unsearched"]) == ((1, 1), 0)


async def test_a_pattern_is_no_regular_expression_and_its_marks_are_plain(house: House) -> None:
    await house.ask(house.alice, "Is 100% of it 5_000?")
    assert counts(await purge(house, prompt="100_ of")) == (0, 0)
    assert counts(await purge(house, prompt="1.*")) == (0, 0)
    assert counts(await purge(house, prompt="100%*5_0")) == (1, 1)


async def test_purges_give_their_database_connections_back(house: House) -> None:
    for _ in range(3):
        await asyncio.gather(*(purge(house, all=True) for _ in range(4)))
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    assert stats["pool_size"] - stats["pool_available"] <= 2


async def test_a_wrong_condition_is_named_as_the_caller_wrote_it(house: House) -> None:
    selection = {"older_than_s": 1e12}
    response = await house.client.request("DELETE", "/cache", json=selection, headers=bearer(house.alice))
    assert (response.status_code, response.json()["error"]["param"]) == (422, "older_than_s")


async def test_without_postgres_a_purge_is_a_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> int:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("caching.purging._purge_entries", down)
    response = await house.client.request("DELETE", "/cache", json={"all": True}, headers=bearer(house.alice))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "database_unavailable")


async def test_a_purge_that_hangs_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    thaw = threading.Event()
    monkeypatch.setattr("gateway.cache_api._MOST_SECONDS", 0.05)
    monkeypatch.setattr("caching.purging._purge_entries", lambda *_, **__: (int(thaw.wait(30)), 0))
    response = await house.client.request("DELETE", "/cache", json={"all": True}, headers=bearer(house.alice))
    thaw.set()
    assert response.status_code == 503


async def test_stats_of_a_database_that_hangs_are_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("gateway.stats_api._MOST_SECONDS", 0.05)
    monkeypatch.setattr("gateway.stats_api.stats_of_tenant", hang)
    response = await house.client.get("/stats", headers=bearer(house.alice))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "database_unavailable")
