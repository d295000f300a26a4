"""A verdict that one web process is told, as the other one sees it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.conf import settings

from caching.vector_cache import VectorCache
from tenants.redis_line import RedisLine
from tests.caching_values import EMBEDDER, direction
from tests.gateway_house import House, bearer
from tests.web_processes import Web, running_web

CAPITAL = "What is the capital of France?"
ASIDE = "What's the capital of France?"


@pytest.fixture
def webs(house: House) -> Iterator[list[Web]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_web()) for _ in range(2)]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as made:
        yield made


async def know_vectors(tenant_id: int) -> None:
    """Put the questions' vectors where the embedding worker's are kept: there is none beside the processes."""
    line = RedisLine(settings.REDIS_CACHE_URL, timeout_s=5.0)
    vectors = VectorCache(line, embedder_id=EMBEDDER)
    await vectors.put(tenant_id, CAPITAL, direction(1.0))
    await vectors.put(tenant_id, ASIDE, direction(1.0, 0.2))
    await line.close()


async def ask(client: httpx.AsyncClient, web: Web, key: str, prompt: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(f"{web.url}/chat", headers=bearer(key), json={"prompt": prompt, **fields})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def status(client: httpx.AsyncClient, web: Web, key: str, prompt: str) -> str:
    """Ask without leaving a trace in the caches."""
    answer = await ask(client, web, key, prompt, cache={"mode": "read_only"})
    return str(answer["cache"]["status"])


async def until_status(client: httpx.AsyncClient, web: Web, key: str, prompt: str, wanted: str) -> None:
    async with asyncio.timeout(60):
        while await status(client, web, key, prompt) != wanted:  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0.02)


async def test_what_one_process_takes_out_is_gone_from_both(
    house: House, webs: list[Web], client: httpx.AsyncClient
) -> None:
    await know_vectors(house.tenant.pk)
    await ask(client, webs[0], house.alice, CAPITAL, cache={"tags": ["geo"]})
    await until_status(client, webs[0], house.alice, ASIDE, "hit_semantic")
    hit = await ask(client, webs[0], house.alice, ASIDE)
    assert hit["cache"]["status"] == "hit_semantic"
    for web in webs:
        # In L1, and in the memory of each process.
        await until_status(client, web, house.alice, ASIDE, "hit_exact")
    body = {"request_id": hit["id"], "verdict": "bad"}
    given = await client.post(f"{webs[1].url}/cache/feedback", headers=bearer(house.alice), json=body)
    assert given.json()["effect"] == "buried"
    for web in webs:
        await until_status(client, web, house.alice, ASIDE, "miss")
        assert await status(client, web, house.alice, CAPITAL) == "hit_exact"

    purge = {"tag": "geo", "dry_run": False}
    purged = await client.request("DELETE", f"{webs[0].url}/cache", headers=bearer(house.alice), json=purge)
    assert purged.json()["entries"] == 1
    for web in webs:
        await until_status(client, web, house.alice, CAPITAL, "miss")
