"""A canary in every prompt of one tenant is never seen by the other, whichever endpoint it asks."""

from typing import Any

import pytest

from caching.models import CacheEntry
from caching.vectors import Vector
from gateway.api import api
from tenants.database import TenantDatabase
from tests.gateway_house import House

CANARY = "canary-5d1e77"
SECRET_QUESTION = f"What does the code word {CANARY} mean in our company?"

#: Every route of the API, asked as the outsider; a new route fails the test until it is listed.
ASKED: dict[str, tuple[str, dict[str, Any] | None]] = {
    "/chat": ("POST", {"prompt": SECRET_QUESTION.replace(CANARY, "zebra")}),
    "/v1/chat/completions": (
        "POST",
        {"messages": [{"role": "user", "content": SECRET_QUESTION.replace(CANARY, "zebra")}]},
    ),
    "/stats": ("GET", None),
    "/cache": ("DELETE", {"all": True, "dry_run": False}),
    "/cache/feedback": ("POST", {"request_id": "{asked}", "verdict": "bad"}),
    "/v1/models": ("GET", None),
    "/v1/models/{model}": ("GET", None),
    "/v1/embeddings": ("POST", {"input": SECRET_QUESTION.replace(CANARY, "zebra")}),
}


async def test_every_route_is_asked_by_the_outsider() -> None:
    assert {str(path) for path in api.get_openapi_schema()["paths"]} == set(ASKED)


@pytest.mark.parametrize("path", ASKED)
async def test_no_answer_to_the_outsider_holds_the_canary(house: House, path: str) -> None:
    asked = await house.ask(house.alice, SECRET_QUESTION)
    method, body = ASKED[path]
    if body and "request_id" in body:
        body = {**body, "request_id": asked["id"]}
    response = await house.client.request(
        method,
        path.format(model="small-1"),
        json=body,
        headers={"authorization": f"Bearer {house.charlie}"},
    )
    assert response.status_code == (404 if path == "/cache/feedback" else 200), response.text
    assert CANARY not in response.text
    assert CANARY not in str(response.headers)


async def test_the_outsiders_identical_question_is_a_miss(house: House) -> None:
    await house.ask(house.alice, SECRET_QUESTION)
    assert await house.status(house.charlie, SECRET_QUESTION) == "miss"


async def test_the_outsiders_purge_leaves_the_others_entries(house: House) -> None:
    await house.ask(house.alice, SECRET_QUESTION)
    await house.client.request(
        "DELETE",
        "/cache",
        json={"all": True, "dry_run": False},
        headers={"authorization": f"Bearer {house.charlie}"},
    )
    assert await CacheEntry.objects.filter(tenant=house.tenant).acount() == 1
    assert await house.status(house.alice, SECRET_QUESTION) == "hit_exact"


async def test_row_security_holds_when_the_filter_is_removed(house: House) -> None:
    await house.ask(house.alice, SECRET_QUESTION)
    database = TenantDatabase(wait_seconds=30)
    await database.open()
    async with database.of_tenant(house.other_tenant.pk) as connection:
        unfiltered = await (await connection.execute("SELECT question FROM caching_cacheentry")).fetchall()
    async with database.of_tenant(house.tenant.pk) as connection:
        own = await (await connection.execute("SELECT question FROM caching_cacheentry")).fetchall()
    await database.close()
    assert unfiltered == []
    assert own == [(SECRET_QUESTION,)]


async def test_the_other_tenants_vector_finds_nothing_even_in_the_same_scope(house: House) -> None:
    await house.ask(house.alice, SECRET_QUESTION)
    entry = await CacheEntry.objects.aget(tenant=house.tenant)
    vector: Vector = await house.parts.embedder.embed(house.other_tenant.pk, SECRET_QUESTION)
    assert await house.parts.semantic.nearest(house.other_tenant.pk, bytes(entry.scope), vector) == []
    assert len(await house.parts.semantic.nearest(house.tenant.pk, bytes(entry.scope), vector)) == 1


async def test_metrics_and_probes_hold_neither_tenant_nor_canary(house: House) -> None:
    await house.ask(house.alice, SECRET_QUESTION)
    for path in ("/metrics", "/livez", "/readyz", "/openapi.json"):
        text = (await house.client.get(path)).text
        assert CANARY not in text
        assert house.tenant.slug not in text
