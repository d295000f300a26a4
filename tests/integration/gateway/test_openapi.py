"""The API's description is committed: a change of the interface shows in the diff (`make openapi`)."""

import json
from pathlib import Path

from gateway.api import api
from tests.gateway_house import House

SNAPSHOT = Path(__file__).resolve().parents[2] / "snapshots" / "openapi.json"


def test_the_committed_description_is_current() -> None:
    described = json.loads(json.dumps(api.get_openapi_schema()))
    assert described == json.loads(SNAPSHOT.read_text()), "run `make openapi` and look at the diff"


async def test_the_description_is_served_and_its_page_asks_no_other_host(house: House) -> None:
    assert (await house.client.get("/openapi.json")).status_code == 200
    page = await house.client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://json-schema.org", "")
