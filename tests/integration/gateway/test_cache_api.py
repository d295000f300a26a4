"""`DELETE /cache`."""

import asyncio
from typing import Any

import pytest
from django.db import connection

from caching.models import CacheEntry
from tests.gateway_house import House, bearer

CAPITAL = "What is the capital of France?"


async def purge(house: House, **selection: Any) -> dict[str, Any]:
    response = await house.client.request("DELETE", "/cache", json=selection, headers=bearer(house.alice))
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_a_dry_run_counts_and_keeps(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    assert await purge(house, all=True) == {"dry_run": True, "entries": 1, "exact": 1}
    assert await house.status(house.alice, CAPITAL) == "hit_exact"


@pytest.mark.parametrize(
    "selection", [{"all": True}, {"tag": "geo"}, {"model": "small-1"}, {"older_than_s": 0}]
)
async def test_purged_answers_serve_no_more(house: House, selection: dict[str, Any]) -> None:
    await house.ask(house.alice, CAPITAL, cache={"tags": ["geo"]})
    assert await purge(house, **selection, dry_run=False) == {"dry_run": False, "entries": 1, "exact": 1}
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


@pytest.mark.parametrize("selection", [{}, {"all": True, "tag": "geo"}, {"entry": "not-an-id"}])
async def test_an_unclear_selection_is_refused(house: House, selection: dict[str, Any]) -> None:
    response = await house.client.request("DELETE", "/cache", json=selection, headers=bearer(house.alice))
    assert response.status_code == 422


async def test_purges_give_their_database_connections_back(house: House) -> None:
    for _ in range(3):
        await asyncio.gather(*(purge(house, all=True) for _ in range(4)))
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    assert stats["pool_size"] - stats["pool_available"] <= 2
