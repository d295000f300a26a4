"""Turns of one conversation have one affinity; other conversations, and other tenants, have others."""

from typing import Any

import pytest

from gateway.affinity import affinity_of

SYSTEM = {"role": "system", "content": "You are brief."}
FIRST = {"role": "user", "content": "What is the capital of Spain?"}
TOOLS = [{"type": "function", "function": {"name": "look_up"}}]


def body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def test_later_turns_and_sampling_change_nothing() -> None:
    later = body(
        SYSTEM,
        FIRST,
        {"role": "assistant", "content": "Madrid."},
        {"role": "user", "content": "And of Peru?"},
    )
    assert affinity_of(1, later) == affinity_of(1, body(SYSTEM, FIRST))
    assert affinity_of(1, body(SYSTEM, FIRST, temperature=0.2)) == affinity_of(1, body(SYSTEM, FIRST))


def test_the_order_of_a_tools_fields_changes_nothing() -> None:
    other = [{"function": {"name": "look_up"}, "type": "function"}]
    assert affinity_of(1, body(FIRST, tools=TOOLS)) == affinity_of(1, body(FIRST, tools=other))


@pytest.mark.parametrize(
    "other",
    [
        body(FIRST),
        body({"role": "system", "content": "You are verbose."}, FIRST),
        body({"role": "developer", "content": "You are brief."}, FIRST),
        body(SYSTEM, {"role": "user", "content": "What is the capital of Peru?"}),
        body(SYSTEM, {"role": "user", "content": [{"type": "text", "text": FIRST["content"]}]}),
        body(SYSTEM, FIRST, tools=TOOLS),
        body(SYSTEM),
        body(),
    ],
)
def test_what_a_provider_keeps_of_a_prompt_tells_conversations_apart(other: dict[str, Any]) -> None:
    assert affinity_of(1, other) != affinity_of(1, body(SYSTEM, FIRST))


def test_the_same_words_of_another_tenant_are_another_conversation() -> None:
    assert affinity_of(1, body(SYSTEM, FIRST)) != affinity_of(2, body(SYSTEM, FIRST))
