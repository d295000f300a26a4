"""`GET /v1/models` names what the key may ask for, and nothing else."""

import pytest
from asgiref.sync import sync_to_async

from routing.models import Model, RoutingRule
from tenants.services import key_issue
from tests.gateway_house import House, bearer

OWN = ["all-MiniLM-L6-v2", "auto"]


async def listed(house: House, key: str) -> list[str]:
    answer = await house.client.get("/v1/models", headers=bearer(key))
    assert answer.status_code == 200
    assert answer.json()["object"] == "list"
    return sorted(model["id"] for model in answer.json()["data"])


async def test_models_are_listed_by_every_name_that_can_be_asked_for(house: House) -> None:
    names = await listed(house, house.alice)
    assert {"auto", "small-1", "demo/small-1", "large-1", "demo/large-1"} <= set(names)
    for name in names:
        if name not in OWN:
            await house.ask(house.alice, "Hello there", model=name)


async def test_a_key_sees_only_its_own_models(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="narrow", models=["small-1"])
    names = await listed(house, issued.plaintext)
    assert {"auto", "small-1", "demo/small-1"} <= set(names)
    assert not [name for name in names if "large" in name or name == OWN[0]]


async def test_one_model_is_shown_by_its_full_name_too(house: House) -> None:
    for name in ("small-1", "demo/small-1", "demo%2Fsmall-1"):
        answer = await house.client.get(f"/v1/models/{name}", headers=bearer(house.alice))
        assert answer.json()["id"] == name.replace("%2F", "/")
        assert answer.json()["owned_by"] == "demo"
        assert answer.headers["x-request-id"].startswith("req_")


async def test_a_model_that_is_not_there_or_not_theirs_is_unknown_in_openais_form(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="narrow", models=["small-1"])
    for key, name in ((house.alice, "gpt-nothing"), (issued.plaintext, "large-1")):
        answer = await house.client.get(f"/v1/models/{name}", headers=bearer(key))
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "model_not_found"


async def test_an_address_that_is_not_there_has_the_error_object(house: House) -> None:
    answer = await house.client.get("/v1/nothing", headers=bearer(house.alice))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/small-1"])
async def test_listing_needs_a_key_and_counts_as_no_request(house: House, path: str) -> None:
    assert (await house.client.get(path)).status_code == 401
    answer = await house.client.get(path, headers=bearer(house.alice))
    assert "ratelimit" not in answer.headers
    assert house.records == []


async def test_what_staff_switch_off_or_refuse_is_listed_no_longer(house: House) -> None:
    large = await Model.objects.aget(name="large-1")
    large.is_active = False
    await sync_to_async(large.save)()
    await sync_to_async(RoutingRule.objects.create)(
        name="no-small", model_asked="small-1", action="deny", tenant=house.tenant
    )
    await house.parts.policies.refresh()
    mine, theirs = await listed(house, house.alice), await listed(house, house.charlie)
    assert not {"small-1", "demo/small-1", "large-1"} & set(mine)
    assert "small-1" in theirs
    assert "large-1" not in theirs
