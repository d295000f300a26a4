"""The short way answers as the full stack does, without its threads."""

import asyncio
from typing import Any

import httpx
import pytest
from asgiref import sync
from pytest_django import Settings

from gateway.api import api
from gateway.lean import DATA_PLANE
from tests.gateway_house import House, bearer

CAPITAL = {"prompt": "What is the capital of France?"}
#: What differs from call to call.
PASSING = {"id", "timings_ms", "cache"}


def test_every_route_of_the_api_goes_the_short_way() -> None:
    assert {str(path) for path in api.get_openapi_schema()["paths"]} <= DATA_PLANE


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("alice", '{"prompt": "What is the capital of France?"}'),
        ("alice", '{"prompt": ""}'),
        ("alice", "not json"),
        ("alice", '{"prompt": "Hi", "model": "gpt-nothing"}'),
        ("alice", '{"prompt": "Hi [[fault:badjson]]"}'),
        ("nobody", '{"prompt": "Hi"}'),
    ],
)
async def test_both_ways_answer_alike(house: House, key: str, body: str) -> None:
    headers = bearer(getattr(house, key, "hp_nobody"))
    await house.client.post("/chat", content=body, headers=headers)
    await house.parts.storer.drain()
    short = await house.client.post("/chat", content=body, headers=headers)
    async with httpx.AsyncClient(transport=full_stack(), base_url="http://localhost") as client:
        full = await client.post("/chat", content=body, headers=headers)
    assert short.status_code == full.status_code
    assert stable(short.json()) == stable(full.json())
    assert set(short.headers) <= set(full.headers)


def full_stack() -> httpx.ASGITransport:
    from config.asgi import django_application  # noqa: PLC0415 (Django is set up by then)

    return httpx.ASGITransport(app=django_application)  # type: ignore[arg-type]


def stable(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in PASSING}


async def test_a_hit_hops_to_no_thread(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ask(house.alice, **CAPITAL)
    hops: list[object] = []
    hop = sync.SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **options: Any) -> Any:
        hops.append(self)
        return await hop(self, *args, **options)

    monkeypatch.setattr(sync.SyncToAsync, "__call__", counted)
    assert (await house.post(house.alice, CAPITAL)).json()["cache"]["status"] == "hit_exact"
    assert (await house.post(None, CAPITAL)).status_code == 401
    assert hops == []


async def test_a_caller_who_hangs_up_is_recorded_and_costs_no_answer(house: House) -> None:
    question = {"prompt": "Please take your time [[fault:hang]]"}
    asking = asyncio.create_task(house.post(house.alice, question))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if house.demo.calls():
            break
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert [record.status for record in house.records] == [499]


async def test_without_tls_production_refuses_keys_but_answers_probes(
    house: House, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = await house.post(house.alice, CAPITAL)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "https_required")
    assert (await house.client.get("/livez")).status_code == 200
