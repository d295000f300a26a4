"""Follow-ups and agents' loops: an answer belongs to its history, and nobody gets an earlier turn's."""

from typing import Any

import pytest

from tests.gateway_house import House, bearer

SEASIDE = [
    {"role": "user", "content": "How warm is the sea at Brighton?"},
    {"role": "assistant", "content": "About 17 degrees in August."},
]
MOUNTAINS = [
    {"role": "user", "content": "How deep is the snow at Zermatt?"},
    {"role": "assistant", "content": "About a metre in March."},
]
FOLLOW_UP = "And how is it in winter over there?"
REPHRASED = "And in winter over there how is it?"


async def outcome(house: House, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    response = await house.post(house.alice, {"messages": messages, **fields})
    assert response.status_code == 200, response.text
    await house.parts.storer.drain()
    return dict(response.json()["cache"])


async def status(house: House, messages: list[dict[str, Any]], **fields: Any) -> str:
    return str((await outcome(house, messages, **fields))["status"])


def after(history: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    return [*history, {"role": "user", "content": text}]


async def test_a_follow_up_matches_after_the_same_history_only(house: House) -> None:
    assert await status(house, after(SEASIDE, FOLLOW_UP)) == "miss"
    assert await status(house, after(MOUNTAINS, FOLLOW_UP)) == "miss"
    assert await status(house, after([], FOLLOW_UP)) == "miss"
    assert await status(house, after(SEASIDE, FOLLOW_UP)) == "hit_exact"
    assert house.demo.calls() == 3


async def test_nor_is_it_found_by_its_meaning_after_another_history(house: House) -> None:
    await status(house, after(SEASIDE, FOLLOW_UP))
    missed = await outcome(house, after(MOUNTAINS, REPHRASED), cache={"mode": "read_only"})
    assert (missed["status"], missed["reason"]) == ("miss", "no_neighbour")
    found = await outcome(house, after(SEASIDE, REPHRASED), cache={"mode": "read_only"})
    assert (found["status"], round(found["similarity"], 3)) == ("hit_semantic", 1.0)


async def test_other_instructions_are_another_history(house: House) -> None:
    brief, long = ({"role": "system", "content": f"Be {how}."} for how in ("brief", "thorough"))
    assert await status(house, after([brief, *SEASIDE], FOLLOW_UP)) == "miss"
    assert await status(house, after([long, *SEASIDE], FOLLOW_UP)) == "miss"
    assert await status(house, after(SEASIDE, FOLLOW_UP)) == "miss"


async def test_an_instruction_that_is_repeated_after_its_answer_is_asked_anew(house: House) -> None:
    messages: list[dict[str, Any]] = []
    for _ in range(4):
        messages = after(messages, "Name another colour of the rainbow.")
        assert await status(house, messages) == "miss"
        messages = [*messages, {"role": "assistant", "content": "Red."}]
    assert house.demo.calls() == 4


@pytest.mark.parametrize(
    "last",
    [
        {"role": "assistant", "content": "It is"},
        {"role": "tool", "tool_call_id": "call-1", "content": "17 degrees"},
    ],
    ids=["assistant", "tool"],
)
async def test_a_call_that_goes_on_from_its_answer_does_not_get_that_again(
    house: House, last: dict[str, Any]
) -> None:
    asked = after([], FOLLOW_UP)
    await status(house, asked)
    found = await outcome(house, [*asked, last])
    assert found["status"] == ("miss" if last["role"] == "assistant" else "bypass")
    assert found["similarity"] is None


async def test_what_an_agent_asks_with_tools_is_neither_kept_nor_answered_by_what_is(house: House) -> None:
    asked = after([], FOLLOW_UP)
    await status(house, asked)
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    for _ in range(2):
        found = await outcome(house, asked, tools=tools)
        assert (found["status"], found["reason"]) == ("bypass", "tools")


async def test_both_routes_hold_conversations_apart_alike(house: House) -> None:
    await status(house, after(SEASIDE, FOLLOW_UP))

    async def seen(history: list[dict[str, Any]]) -> str:
        body = {"messages": after(history, FOLLOW_UP), "cache": {"mode": "read_only"}}
        response = await house.client.post("/v1/chat/completions", headers=bearer(house.alice), json=body)
        return response.headers["x-gateway-cache"]

    assert (await seen(SEASIDE), await seen(MOUNTAINS)) == ("hit_exact", "miss")
