"""What one miss asks of the outside, by count."""

import asyncio
from typing import Any

import pytest
from asgiref import sync

from tests.gateway_house import House


async def test_a_miss_is_one_call_upstream_and_hops_to_no_thread(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ask(house.alice, "What is the capital of Peru?", cache={"mode": "off"})
    calls, hops = house.demo.calls(), []
    hop = sync.SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **options: Any) -> Any:
        hops.append(self)
        return await hop(self, *args, **options)

    monkeypatch.setattr(sync.SyncToAsync, "__call__", counted)
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", lambda *call: hops.append(call))
    answer = await house.ask(house.alice, "What is the capital of Chile?", cache={"mode": "off"})
    assert answer["cache"]["status"] == "bypass"
    assert hops == []
    monkeypatch.undo()
    assert house.demo.calls() == calls + 1


async def test_each_miss_is_one_call_upstream(house: House) -> None:
    before = house.demo.calls()
    for number in range(5):
        assert await house.status(house.alice, f"What is {number} * 7 in words?") == "miss"
    assert house.demo.calls() == before + 5
    for number in range(5):
        assert await house.status(house.alice, f"What is {number} * 7 in words?") == "hit_exact"
    assert house.demo.calls() == before + 5
