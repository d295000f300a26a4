"""Each fault of an upstream, asked for and looked at: the rows of the table in docs/upstreams.md."""

import json

import httpx
import pytest
from pytest_django import Settings

from tests.faults import FAULTS, Fault, Way
from tests.gateway_house import House, bearer
from tests.sse import DONE, events

CASES = [pytest.param(fault, way, id=f"{fault.order} {way}") for fault in FAULTS for way in fault.ways]


async def ask(house: House, fault: Fault, way: Way) -> httpx.Response:
    body = {
        "model": "small-1",
        "stream": way == "stream",
        "messages": [{"role": "user", "content": f"[[fault:{fault.order}]] What is the capital of France?"}],
    }
    response = await house.client.post(
        "/v1/chat/completions", headers=bearer(house.alice), content=json.dumps(body)
    )
    await house.parts.storer.drain()
    return response


@pytest.fixture(autouse=True)
def short_deadlines(settings: Settings, fault: Fault) -> None:
    """Whoever waits in vain does so shortly; the others have all the time that a busy machine takes."""
    if fault.code in ("upstream_timeout", "upstream_stalled"):
        settings.UPSTREAM_FIRST_TOKEN_SECONDS = 0.4
        settings.UPSTREAM_BETWEEN_CHUNKS_SECONDS = 0.4
        settings.UPSTREAM_TOTAL_SECONDS = 3.0


@pytest.mark.parametrize(("fault", "way"), CASES)
async def test_each_fault_is_what_the_table_says(house: House, fault: Fault, way: Way) -> None:
    response = await ask(house, fault, way)
    error = error_of(response, way)
    assert response.status_code == (200 if fault.begun else fault.status), response.text
    assert (error or {}).get("code") == fault.code
    [record] = house.records
    assert (record.status, record.error_code or None) == (fault.status, fault.code)
    assert tuple(attempt["reason"] for attempt in record.attempts) == fault.reasons
    assert record.estimated == fault.estimated
    if not fault.begun:
        told = [each.rpartition(";")[2] for each in response.headers["x-gateway-attempts"].split(", ")]
        assert tuple(told) == fault.reasons
        assert ("retry-after" in response.headers) == fault.retry_after
        assert response.headers.get("x-should-retry") == (None if fault.code is None else "false")
    if fault.begun:
        assert record.cost_nano > 0
    assert "demo-upstream-takes-any-key" not in response.text + str(response.headers)
    house.records.clear()
    again = await ask(house, fault, way)
    assert (again.headers.get("x-gateway-cache") == "hit_exact") == fault.kept


def error_of(response: httpx.Response, way: Way) -> dict[str, str] | None:
    """Return the error that the caller got; a stream has either its end marker or an error."""
    if way == "whole" or response.status_code != 200:
        error: dict[str, str] | None = response.json().get("error")
        return error
    last = events(response.content)[-1]
    return None if last == DONE else last["error"]
